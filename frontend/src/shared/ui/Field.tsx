import type { InputHTMLAttributes, Ref } from "react";

import { afterPress } from "./after-press";

interface Props extends Omit<InputHTMLAttributes<HTMLInputElement>, "id"> {
  id: string;
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  inputRef?: Ref<HTMLInputElement>;
}

/** A labelled input that says what is wrong with it, to eyes and to screen readers alike. */
export function Field({ id, label, hint, error, inputRef, className, onBlur, ...input }: Props) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1 block font-medium">
        {label}
      </label>
      <input
        {...input}
        ref={inputRef}
        id={id}
        className="control"
        onBlur={(event) => {
          afterPress(() => onBlur?.(event));
        }}
        aria-invalid={error !== undefined}
        aria-describedby={described === "" ? undefined : described}
      />
      {hint !== undefined && (
        <p id={`${id}-hint`} className="mt-1 text-sm text-muted">
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} className="mt-1 text-sm font-medium text-danger">
          {error}
        </p>
      )}
    </div>
  );
}
