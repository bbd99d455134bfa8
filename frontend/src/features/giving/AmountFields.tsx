import { type UseFormReturn, useWatch } from "react-hook-form";
import { useTranslation } from "react-i18next";

import type { CurrencyLimits } from "@/shared/api/types";
import type { GiftDraft } from "@/shared/gifts/open-form";
import { useLang } from "@/shared/i18n/use-lang";
import { currencyName, formatMoney } from "@/shared/money/format-money";
import { parseAmount } from "@/shared/money/parse-amount";
import { Field } from "@/shared/ui/Field";
import { Select } from "@/shared/ui/Select";

import { presetsFor } from "./presets";

interface Props {
  form: UseFormReturn<GiftDraft>;
  currencies: CurrencyLimits[];
  errorOf: (field: keyof GiftDraft) => string | undefined;
}

/** Presets fill the one amount field, which always shows what will be given. */
export function AmountFields({ form, currencies, errorOf }: Props) {
  const { t } = useTranslation("giving");
  const lang = useLang();
  const [amount, currency] = useWatch({ control: form.control, name: ["amount", "currency"] });
  const limits = currencies.find(({ code }) => code === currency);
  const exponent = limits?.exponent ?? 2;
  const given = parseAmount(amount, exponent);
  const isGiven = (preset: string) => {
    const parsed = parseAmount(preset, exponent);
    return given.ok && parsed.ok && parsed.minor === given.minor;
  };

  return (
    <fieldset>
      <legend className="text-xl font-semibold">{t("amount.legend")}</legend>
      {limits !== undefined && (
        <div
          role="radiogroup"
          aria-label={t("amount.presets")}
          className="mt-3 grid grid-cols-2 gap-3 sm:grid-cols-4"
        >
          {presetsFor(limits).map((preset) => (
            <label key={`${currency}-${preset}`} className="choice">
              <input
                type="radio"
                name="preset"
                className="sr-only"
                value={preset}
                checked={isGiven(preset)}
                onChange={() => {
                  form.setValue("amount", preset, { shouldValidate: true, shouldDirty: true });
                }}
              />
              {formatMoney(preset, currency, lang, "short")}
            </label>
          ))}
        </div>
      )}
      <div className="mt-4 grid items-start gap-4 sm:grid-cols-2">
        <Field
          {...inputProps(form, "amount")}
          id="amount"
          label={t("field.amount")}
          hint={
            limits &&
            t("amount.range", {
              min: formatMoney(limits.min, currency, lang, "short"),
              max: formatMoney(limits.max, currency, lang, "short"),
            })
          }
          error={errorOf("amount")}
          inputMode={exponent === 0 ? "numeric" : "decimal"}
          autoComplete="off"
          maxLength={24}
        />
        <Select
          {...selectProps(form)}
          id="currency"
          label={t("field.currency")}
          error={errorOf("currency")}
        >
          {currencies.map(({ code }) => (
            <option key={code} value={code}>
              {code} · {currencyName(code, lang)}
            </option>
          ))}
        </Select>
      </div>
    </fieldset>
  );
}

/** react-hook-form's `ref` under the name our inputs take. */
export function inputProps(form: UseFormReturn<GiftDraft>, field: keyof GiftDraft) {
  const { ref, ...props } = form.register(field);
  return { ...props, inputRef: ref };
}

function selectProps(form: UseFormReturn<GiftDraft>) {
  const { ref, ...props } = form.register("currency", {
    // Decimals and limits depend on the currency: what was wrong may now be right.
    onChange: () => {
      if (form.getValues("amount") !== "") void form.trigger("amount");
    },
  });
  return { ...props, selectRef: ref };
}
