import type { UseFormReturn } from "react-hook-form";
import { useTranslation } from "react-i18next";

import type { GiftDraft } from "@/shared/gifts/open-form";
import { useLang } from "@/shared/i18n/use-lang";
import { Field } from "@/shared/ui/Field";

import { inputProps } from "./AmountFields";
import { nameOrder } from "./summary-items";

interface Props {
  form: UseFormReturn<GiftDraft>;
  errorOf: (field: keyof GiftDraft) => string | undefined;
}

const NAMES = { first_name: "given-name", last_name: "family-name" } as const;

export function DonorFields({ form, errorOf }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();

  return (
    <fieldset>
      <legend className="text-xl font-semibold">{t("donor.legend")}</legend>
      <div className="mt-3 grid items-start gap-4 sm:grid-cols-2">
        {nameOrder(lang).map((field) => (
          <Field
            key={field}
            {...inputProps(form, field)}
            id={field}
            label={t(`field.${field}`)}
            error={errorOf(field)}
            autoComplete={NAMES[field]}
          />
        ))}
        <Field
          {...inputProps(form, "email")}
          id="email"
          type="email"
          label={t("field.email")}
          hint={t("donor.email_hint")}
          error={errorOf("email")}
          autoComplete="email"
          className="sm:col-span-2"
        />
      </div>
    </fieldset>
  );
}
