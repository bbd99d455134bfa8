/** The part of an OpenAPI 3.1 document that the page shows. Any member may be missing. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: string;
  description?: string;
  required?: boolean;
  schema?: Schema;
}

export interface MediaType {
  schema?: Schema;
  examples?: Record<string, { value?: unknown }>;
}

export interface Answer {
  description?: string;
  content?: Record<string, MediaType>;
}

export interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, MediaType> };
  responses?: Record<string, Answer>;
}

export interface OpenApi {
  openapi: string;
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

/** An operation with its place. */
export interface Call {
  method: string;
  path: string;
  operation: Operation;
  /** The id of its heading, for links within the page. */
  anchor: string;
}

const METHODS = ["get", "post", "put", "patch", "delete"];

/** The operations by tag, in the order of the document. */
export function callsByTag(document: OpenApi): Map<string, Call[]> {
  const groups = new Map<string, Call[]>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation === undefined) continue;
      const tag = operation.tags?.[0] ?? "";
      const anchor = `${method}${path.replaceAll(/[^\w]+/g, "-").replace(/-$/, "")}`;
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation, anchor }]);
    }
  }
  return groups;
}
