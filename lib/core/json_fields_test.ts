import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { JsonFieldError, JsonFields } from "./json_fields.ts";

Deno.test("JsonFields takes nothing but an object for a document, and names the document when it is none", () => {
  for (const [value, shown] of [[5, "5"], ["a", '"a"'], [null, "null"], [[1], "[1]"], [undefined, "nothing"]]) {
    assertThrows(() => new JsonFields(value), JsonFieldError, `'document' must be an object: found ${shown}`);
  }
});

Deno.test("JsonFields names the whole path of a field that is wrong", () => {
  const fields = new JsonFields({ list: [{ name: "a" }, { name: "" }], inner: { list: 5 } });
  const [first, second] = fields.objects("list");
  assertEquals(first!.text("name"), "a");
  assertThrows(() => second!.text("name"), JsonFieldError, `'list[1].name' must be text that is not empty: found ""`);
  assertThrows(() => fields.object("inner").objects("list"), JsonFieldError, "'inner.list' must be a list: found 5");
});

Deno.test("JsonFields finds no field that only an object's prototype has", () => {
  const error = assertThrows(() => new JsonFields({}).text("constructor"));
  assertInstanceOf(error, JsonFieldError);
  assertEquals(error.message, "'constructor' must be text that is not empty: found nothing");
});
