import { assertEquals, assertThrows } from "@std/assert";
import { fileLocation } from "./file_location.ts";

Deno.test("fileLocation() takes relative and absolute paths and file URLs", () => {
  assertEquals(fileLocation("file:./.turbine/broker", "broker"), "./.turbine/broker");
  assertEquals(fileLocation("file:/var/lib/x y%20", "broker"), "/var/lib/x y%20");
  assertEquals(fileLocation("file:///var/lib/x%20y", "broker"), "/var/lib/x y");
  assertEquals(fileLocation("file:.", "broker"), ".");
});

Deno.test("fileLocation() refuses other forms and shows the allowed one", () => {
  for (const location of ["file:", "file://host/path", "file://", "file:///%", "./path", "", "memory:x"]) {
    assertThrows(() => fileLocation(location, "checkpoints"), TypeError, "such as 'file:./.turbine/checkpoints'");
  }
});
