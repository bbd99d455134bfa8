import type { Schema } from "./openapi";

export type Schemas = Record<string, Schema>;

/** One field of a body or an answer, however deep it lies. */
export interface SchemaField {
  /** Where it stands: `items[].charity_id`. */
  path: string;
  type: string;
  required: boolean;
  description: string | null;
  /** Length, bounds, format and the like, as the schema says them. */
  limits: string[];
}

const DEPTH_MAX = 5;

/** A schema with its reference followed, and with "or null" taken apart from the rest. */
function resolve(schema: Schema, schemas: Schemas): { schema: Schema; nullable: boolean } {
  const name = schema.$ref?.split("/").at(-1);
  if (name !== undefined) return resolve(schemas[name] ?? {}, schemas);
  const choices = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (choices === undefined) return { schema, nullable: false };
  const real = choices.filter(({ type }) => type !== "null");
  const [only] = real;
  const nullable = real.length < choices.length;
  if (real.length !== 1 || only === undefined) {
    return { schema: { ...schema, oneOf: real }, nullable };
  }
  const inner = resolve(only, schemas);
  return { ...inner, nullable: nullable || inner.nullable };
}

/** The type in one word or a few: `string`, `integer or null`, `list of string`. */
export function typeOf(schema: Schema, schemas: Schemas): string {
  const { schema: plain, nullable } = resolve(schema, schemas);
  return nullable ? `${plainType(plain, schemas)} or null` : plainType(plain, schemas);
}

function plainType(schema: Schema, schemas: Schemas): string {
  if (schema.enum !== undefined) return schema.enum.map(String).join(" | ");
  if (schema.oneOf !== undefined) {
    return schema.oneOf.map((choice) => typeOf(choice, schemas)).join(" or ");
  }
  if (schema.items !== undefined) return `list of ${typeOf(schema.items, schemas)}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return schema.type ?? (schema.properties === undefined ? "any" : "object");
}

/** Every field of a schema, parents before their children. */
export function fieldsOf(schema: Schema, schemas: Schemas): SchemaField[] {
  return below(schema, schemas, "", 0);
}

function below(schema: Schema, schemas: Schemas, prefix: string, depth: number): SchemaField[] {
  const { schema: plain } = resolve(schema, schemas);
  // A schema may hold itself; nobody reads that deep.
  if (depth > DEPTH_MAX) return [];
  if (plain.items !== undefined) return below(plain.items, schemas, `${prefix}[]`, depth + 1);
  return Object.entries(plain.properties ?? {}).flatMap(([name, property]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const { schema: inner } = resolve(property, schemas);
    const field: SchemaField = {
      path,
      type: typeOf(property, schemas),
      required: plain.required?.includes(name) ?? false,
      description: property.description ?? inner.description ?? null,
      limits: limitsOf({ ...inner, ...property }),
    };
    return [field, ...below(property, schemas, path, depth + 1)];
  });
}

function limitsOf(schema: Schema): string[] {
  const limits: string[] = [];
  if (schema.format !== undefined) limits.push(schema.format);
  if (schema.pattern !== undefined) limits.push(schema.pattern);
  const longest = schema.maxLength;
  if (longest !== undefined) limits.push(`${schema.minLength ?? 0}…${longest} characters`);
  if (schema.minimum !== undefined) limits.push(`≥ ${schema.minimum}`);
  if (schema.maximum !== undefined) limits.push(`≤ ${schema.maximum}`);
  return limits;
}
