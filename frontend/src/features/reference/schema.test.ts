import { expect, test } from "vitest";

import { callsByTag } from "./openapi";
import { type SchemaField, fieldsOf, typeOf } from "./schema";

const SCHEMAS = {
  Item: {
    type: "object",
    required: ["id"],
    properties: {
      id: { type: "integer", minimum: 1 },
      register: { oneOf: [{ $ref: "#/components/schemas/Entry" }, { type: "null" }] },
    },
  },
  Entry: { type: "object", properties: { name: { type: "string", description: "Whose." } } },
  Tree: {
    type: "object",
    properties: { inner: { $ref: "#/components/schemas/Tree" } },
  },
};
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

test.each([
  [{ type: "string" }, "string"],
  [{ oneOf: [{ type: "string" }, { type: "null" }] }, "string or null"],
  [{ oneOf: [{ type: "number" }, { type: "string" }] }, "number or string"],
  [{ type: "array", items: { type: "string" } }, "list of string"],
  [{ type: "array", items: ref("Item") }, "list of object"],
  [{ type: "string", enum: ["en", "zh-CN"] }, "en | zh-CN"],
  [{ type: ["null", "object"] }, "null or object"],
  [ref("Gone"), "any"],
])("The type of %j is %s", (schema, words) => {
  expect(typeOf(schema, SCHEMAS)).toBe(words);
});

test("Fields are listed with their place, whatever lies between", () => {
  const fields = fieldsOf(
    { type: "object", properties: { items: { type: "array", items: ref("Item") } } },
    SCHEMAS,
  );

  expect(fields.map(({ path, type }) => [path, type])).toEqual([
    ["items", "list of object"],
    ["items[].id", "integer"],
    ["items[].register", "object or null"],
    ["items[].register.name", "string"],
  ]);
  expect(fields[1]).toEqual<SchemaField>({
    path: "items[].id",
    type: "integer",
    required: true,
    description: null,
    limits: ["≥ 1"],
  });
  expect(fields[3]?.description).toBe("Whose.");
});

test("A schema that holds itself comes to an end", () => {
  expect(fieldsOf(ref("Tree"), SCHEMAS).length).toBeLessThan(10);
});

test("Calls are grouped by their first tag, each with an address of its own", () => {
  const groups = callsByTag({
    openapi: "3.1.0",
    info: { title: "t", version: "1" },
    paths: {
      "/donations": { get: { tags: ["donations"] }, post: { tags: ["donations"] } },
      "/donations/{id}": { get: { tags: ["donations"] } },
      "/healthz": { get: { tags: ["operations"] } },
    },
  });

  expect([...groups.keys()]).toEqual(["donations", "operations"]);
  expect(groups.get("donations")?.map(({ anchor }) => anchor)).toEqual([
    "get-donations",
    "post-donations",
    "get-donations-id",
  ]);
});
