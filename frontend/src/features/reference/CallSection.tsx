import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { FieldList } from "./FieldList";
import type { Answer, Call, MediaType, Parameter } from "./openapi";
import { type SchemaField, type Schemas, fieldsOf, typeOf } from "./schema";

/** One operation: what goes in, what comes out. */
export function CallSection({ call, schemas }: { call: Call; schemas: Schemas }) {
  const { t } = useTranslation("reference");
  const { operation } = call;
  const parameters = operation.parameters ?? [];
  const [body] = Object.entries(operation.requestBody?.content ?? {});
  return (
    <section className="panel min-w-0" data-testid="call" aria-labelledby={call.anchor}>
      <h3 id={call.anchor} tabIndex={-1} className="scroll-mt-6 text-lg font-semibold break-words">
        <span className="font-mono text-accent uppercase">{call.method}</span>{" "}
        <code>{call.path}</code>
      </h3>
      <p lang="en" className="mt-1 text-muted">
        {[operation.summary, operation.description].filter(Boolean).join(". ")}
      </p>
      {parameters.length > 0 && (
        <Part title={t("parameters")}>
          <FieldList fields={parameters.map((parameter) => parameterField(parameter, schemas))} />
        </Part>
      )}
      {body !== undefined && (
        <Part title={`${t("body")} · ${body[0]}`}>
          <FieldList fields={fieldsOf(body[1].schema ?? {}, schemas)} />
          <Examples media={body[1]} />
        </Part>
      )}
      <Part title={t("answers")}>
        <ul className="border-t border-line">
          {Object.entries(operation.responses ?? {}).map(([status, answer]) => (
            <AnswerItem key={status} status={status} answer={answer} schemas={schemas} />
          ))}
        </ul>
      </Part>
    </section>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="mt-5">
      <h4 className="mb-2 font-semibold">{title}</h4>
      {children}
    </div>
  );
}

function parameterField(parameter: Parameter, schemas: Schemas): SchemaField {
  return {
    path: parameter.name,
    type: typeOf(parameter.schema ?? {}, schemas).replace(/ or null$/, ""),
    required: parameter.required ?? false,
    description: parameter.description ?? parameter.schema?.description ?? null,
    limits: [parameter.in],
  };
}

function Examples({ media }: { media: MediaType }) {
  const { t } = useTranslation("reference");
  return Object.entries(media.examples ?? {}).map(([name, example]) => (
    <div key={name} className="mt-3">
      <p className="mb-1 text-sm text-muted">{t("example")}</p>
      <pre className="code">{JSON.stringify(example.value, null, 2)}</pre>
    </div>
  ));
}

interface AnswerProps {
  status: string;
  answer: Answer;
  schemas: Schemas;
}

function AnswerItem({ status, answer, schemas }: AnswerProps) {
  const [content] = Object.entries(answer.content ?? {});
  const fields = content === undefined ? [] : fieldsOf(content[1].schema ?? {}, schemas);
  const title = (
    <>
      <span className="font-mono font-semibold">{status}</span>{" "}
      <span lang="en">{answer.description}</span>
      {content !== undefined && <span className="text-muted"> · {content[0]}</span>}
    </>
  );
  return (
    <li className="border-b border-line py-2 text-sm break-words">
      {fields.length === 0 ? (
        title
      ) : (
        <details>
          <summary className="cursor-pointer py-1">{title}</summary>
          <div className="mt-2 pl-4">
            <FieldList fields={fields} />
          </div>
        </details>
      )}
    </li>
  );
}
