import { useEffect, useRef, useState } from "react";
import { useForm } from "react-hook-form";
import { useTranslation } from "react-i18next";

import type { Charity, Config } from "@/shared/api/types";
import { CardRefused } from "@/shared/card/card-fields";
import {
  type GiftBody,
  type GiftDraft,
  keepForm,
  openForm,
} from "@/shared/gifts/open-form";
import { declineMessage, fieldMessage } from "@/shared/i18n/field-message";
import { useLang } from "@/shared/i18n/use-lang";
import { formatMoney } from "@/shared/money/format-money";
import { ErrorSummary, type SummaryItem } from "@/shared/ui/ErrorSummary";

import { AmountFields } from "./AmountFields";
import type { FieldError } from "./answer";
import { CardSection } from "./CardSection";
import { DonorFields } from "./DonorFields";
import { currenciesFor, giftResolver, startingDraft, tidyDraft } from "./gift-form";
import type { FormProblem } from "./settle-gift";
import { SubmitButton } from "./SubmitButton";
import { cardItems, formItems, isFormField, otherItems } from "./summary-items";
import { Trap } from "./Trap";
import { useCard } from "./use-card";

interface Props {
  charity: Charity;
  config: Config;
  draft: GiftDraft | null;
  problem: FormProblem | null;
  onGive: (body: GiftBody) => void;
}

const NO_ERRORS: FieldError[] = [];

export function GiveForm({ charity, config, draft, problem, onGive }: Props) {
  const { t } = useTranslation(["giving", "card", "common"]);
  const lang = useLang();
  const currencies = currenciesFor(config, charity);
  const form = useForm<GiftDraft>({
    mode: "onTouched",
    reValidateMode: "onChange",
    // The summary takes the focus, and names every field at once.
    shouldFocusError: false,
    resolver: giftResolver(currencies),
    defaultValues: startingDraft(draft, currencies, config.default_currency),
  });
  const card = useCard(config);
  const locked = useRef(false);
  const trap = useRef<HTMLInputElement>(null);
  const [checking, setChecking] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [answered, setAnswered] = useState(problem);
  const { errors } = form.formState;

  if (answered !== problem) {
    setAnswered(problem);
    if (problem !== null) setAttempt(attempt + 1);
  }

  useEffect(() => {
    if (problem?.kind !== "invalid") return;
    for (const { field, code, message } of problem.errors) {
      if (isFormField(field)) form.setError(field, { type: code, message });
    }
  }, [form, problem]);

  useEffect(
    () =>
      form.subscribe({
        formState: { values: true },
        callback: ({ values }) => {
          keepForm(charity.slug, { ...openForm(charity.slug), draft: values });
        },
      }),
    [charity.slug, form],
  );

  const errorOf = (field: keyof GiftDraft): string | undefined => {
    const error = errors[field];
    if (error === undefined) return undefined;
    const currency = form.getValues("currency");
    const limits = currencies.find(({ code }) => code === currency);
    return fieldMessage(field, error.type, error.message, {
      currency,
      decimals: limits?.exponent ?? 2,
      min: limits ? formatMoney(limits.min, currency, lang, "short") : "",
      max: limits ? formatMoney(limits.max, currency, lang, "short") : "",
    });
  };

  const submit = async () => {
    // A second click arrives before the button is drawn as locked; this holds it back.
    if (locked.current || card.fields === null) return;
    locked.current = true;
    setChecking(true);
    try {
      let valid = false;
      const checkForm = form.handleSubmit(() => {
        valid = true;
      });
      const [problems] = await Promise.all([card.fields.check(), checkForm()]);
      if (!(valid as boolean) || Object.keys(problems).length > 0) {
        setAttempt((before) => before + 1);
        return;
      }
      const { nonce } = await card.fields.tokenize();
      const website = trap.current?.value ?? "";
      onGive({
        ...tidyDraft(form.getValues(), currencies),
        charity_id: charity.charity_id,
        payment_method_nonce: nonce,
        locale: lang,
        ...(website === "" ? {} : { website }),
      });
    } catch (error) {
      if (!(error instanceof CardRefused)) throw error;
      setAttempt((before) => before + 1);
    } finally {
      locked.current = false;
      setChecking(false);
    }
  };

  const items: SummaryItem[] = [
    ...formItems(errorOf),
    ...cardItems(card.problems, card.fields),
    ...otherItems(problem?.kind === "invalid" ? problem.errors : NO_ERRORS, card.fields),
  ];
  if (problem?.kind === "declined") {
    const message = declineMessage(problem.code, problem.message);
    items.push({ target: null, label: null, message });
  }
  if (problem?.kind === "refused") {
    const message = fieldMessage("form", problem.code, problem.detail);
    items.push({ target: null, label: null, message });
  }

  return (
    <form
      noValidate
      className="grid gap-8"
      aria-label={t("giving:form")}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {attempt > 0 && items.length > 0 && <ErrorSummary items={items} attempt={attempt} />}
      <AmountFields form={form} currencies={currencies} errorOf={errorOf} />
      <DonorFields form={form} errorOf={errorOf} />
      <Trap field={trap} />
      <CardSection
        setRoot={card.setRoot}
        fields={card.fields}
        failed={card.failed}
        retry={card.retry}
      />
      <SubmitButton
        control={form.control}
        currencies={currencies}
        busy={checking || card.fields === null}
      />
    </form>
  );
}
