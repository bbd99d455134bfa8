import { useTranslation } from "react-i18next";

import type { SchemaField } from "./schema";

/** Fields with type, limits and meaning. The schema's own words are English in every language. */
export function FieldList({ fields }: { fields: SchemaField[] }) {
  const { t } = useTranslation("reference");
  return (
    <dl className="border-t border-line text-sm">
      {fields.map((field) => (
        <div
          key={field.path}
          className="grid gap-x-4 gap-y-1 border-b border-line py-2 md:grid-cols-[2fr_3fr]"
        >
          <dt className="font-mono break-words">
            {field.path}
            {field.required && <span className="font-sans text-muted"> · {t("required")}</span>}
          </dt>
          <dd lang="en" className="break-words">
            <span className="font-mono">{field.type}</span>
            {field.limits.length > 0 && (
              <span className="text-muted"> · {field.limits.join(" · ")}</span>
            )}
            {field.description !== null && <p className="mt-0.5">{field.description}</p>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
