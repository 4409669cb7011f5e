import { assertEquals } from "@std/assert";
import { countOutput, countReport } from "./test_results.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="8" failures="3" errors="0" time="0.064">
    <testsuite name="./a_test.ts" tests="6" disabled="1" errors="0" failures="3">
        <testcase name="ok" classname="./a_test.ts" time="0.000" line="1" col="6">
        </testcase>
        <testcase name="steps" classname="./a_test.ts" time="0.001" line="2" col="6">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="a &gt; b" classname="./a_test.ts" time="0.000" line="3" col="6">
            <failure message="Error: &lt;boom&gt;">&lt;testcase name=&quot;no&quot;&gt;</failure>
        </testcase>
        <testcase name="ign" classname="./a_test.ts" time="0.000" line="4" col="6">
            <skipped/>
        </testcase>
        <testcase name="steps &gt; one" classname="./a_test.ts" time="0.000" line="2" col="43">
        </testcase>
        <testcase name="steps &gt; one &gt; in it" classname="./a_test.ts" time="0.001" line="2" col="74">
            <failure message="x">x</failure>
        </testcase>
    </testsuite>
    <testsuite name="./b_test.ts" tests="2" disabled="0" errors="0" failures="0">
        <testcase name="ok" classname="./b_test.ts" time="0.000" line="1" col="6"/>
        <testcase name="more" classname="./b_test.ts" time="0.000" line="2" col="6">
        </testcase>
    </testsuite>
</testsuites>
`;

Deno.test("countReport() counts tests of all files, and steps with their test", () => {
  assertEquals(countReport(REPORT), { passed: 3, failed: 2, ignored: 1 });
});

Deno.test("countReport() of a report without tests is zero, of half a report nothing", () => {
  assertEquals(countReport('<testsuites name="deno test" tests="0">\n</testsuites>'), {
    passed: 0,
    failed: 0,
    ignored: 0,
  });
  assertEquals(countReport(REPORT.slice(0, REPORT.indexOf("</testsuites>"))), undefined);
  assertEquals(countReport(""), undefined);
});

Deno.test("countOutput() takes the last line of results, of either form, coloured or not", () => {
  assertEquals(countOutput("1 passed, 9 failed\nnoise\n12 passed, 3 failed\nbye\n"), {
    passed: 12,
    failed: 3,
    ignored: 0,
  });
  assertEquals(countOutput("ok | 7 passed (3 steps) | 0 failed (5s)\n"), { passed: 7, failed: 0, ignored: 0 });
  assertEquals(countOutput("\x1b[31mFAILED\x1b[0m | 1 passed | 2 failed (1 step) | 4 ignored (1s)"), {
    passed: 1,
    failed: 2,
    ignored: 4,
  });
  assertEquals(countOutput("all 5 passed, 0 failed to run"), undefined);
});
