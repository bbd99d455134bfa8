import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import type { TestCard } from "@/shared/api/types";
import { Field } from "@/shared/ui/Field";
import { Select } from "@/shared/ui/Select";

import type { CardField } from "../card-fields";

import { brandOf, digitsOf } from "./check-card";
import type { SandboxModel } from "./sandbox-model";
import { BEHAVIOURS, type Behaviour } from "./test-cards";

interface Props {
  model: SandboxModel;
  testCard: TestCard | null;
}

export function SandboxForm({ model, testCard }: Props) {
  const { t } = useTranslation("card");
  const view = useSyncExternalStore(model.subscribe, model.view);

  const field = (name: CardField, hint?: string) => {
    const problem = view.problems[name];
    return (
      <Field
        id={`card-${name}`}
        label={t(`field.${name}`)}
        hint={hint}
        error={problem === undefined ? undefined : t(`problem.${name}.${problem}` as never)}
        value={view.values[name]}
        inputMode="numeric"
        // A demo must not invite the browser to fill in somebody's real card.
        autoComplete="off"
        maxLength={name === "number" ? 26 : 7}
        onChange={(event) => {
          model.type(name, event.target.value);
        }}
        onBlur={() => {
          model.leave(name);
        }}
      />
    );
  };

  const brand = brandOf(digitsOf(view.values.number));
  return (
    <div className="grid gap-4">
      {testCard !== null && (
        <div className="rounded-xl border border-dashed border-line-strong bg-sunken p-4 text-sm">
          <p>{t("sandbox.note")}</p>
          <p className="mt-1 font-mono">
            {testCard.number} · {testCard.expiry} · {testCard.cvv}
          </p>
          <button
            type="button"
            className="button-quiet mt-3"
            onClick={() => {
              model.fill(testCard);
            }}
          >
            {t("sandbox.fill")}
          </button>
        </div>
      )}
      {field("number", brand === "" ? undefined : brand)}
      <div className="grid grid-cols-2 items-start gap-4">
        {field("expiry", t("hint.expiry"))}
        {field("cvv", t("hint.cvv"))}
      </div>
      <details className="text-sm">
        <summary className="link inline-block cursor-pointer py-1">{t("sandbox.try_failure")}</summary>
        <div className="mt-3">
          <Select
            id="card-behaviour"
            label={t("sandbox.behaviour")}
            value={view.behaviour}
            onChange={(event) => {
              model.behave(event.target.value as Behaviour);
            }}
          >
            {(Object.keys(BEHAVIOURS) as Behaviour[]).map((behaviour) => (
              <option key={behaviour} value={behaviour}>
                {t(`behaviour.${behaviour}`)}
              </option>
            ))}
          </Select>
        </div>
      </details>
    </div>
  );
}
