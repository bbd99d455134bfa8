import "@testing-library/jest-dom/vitest";

import { cleanup, configure } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest";

import { changeLanguage, startTexts } from "@/shared/i18n/i18n";

import { server } from "./server";

// Pages load their chunks on the way; a busy machine must not turn that into a failure.
configure({ asyncUtilTimeout: 6_000 });

// jsdom draws nothing and has no modal dialogs.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
};
window.scrollTo = () => undefined;

beforeAll(async () => {
  server.listen({ onUnhandledRequest: "error" });
  document.documentElement.lang = "en";
  await startTexts();
});

beforeEach(async () => {
  sessionStorage.clear();
  localStorage.clear();
  await changeLanguage("en");
});

afterEach(() => {
  cleanup();
  server.resetHandlers();
  vi.useRealTimers();
});

afterAll(() => {
  server.close();
});
