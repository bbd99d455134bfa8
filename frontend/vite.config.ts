import { fileURLToPath } from "node:url";

import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const API = "http://127.0.0.1:8000";
const API_PATHS = [
  "/config",
  "/charities",
  "/pictures",
  "/donations",
  "/donation-form",
  "/openapi.json",
];

/** What the server sends with the pages: `npm run preview` must show its violations too. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; frame-src 'none'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'; object-src 'none'";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  preview: { headers: { "Content-Security-Policy": POLICY } },
  server: { proxy: Object.fromEntries(API_PATHS.map((path) => [path, API])) },
  build: {
    outDir: "../src/almoner/web/dist",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy of the pages allows no data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Without groups, libraries end up in the chunk of whichever page asks first.
          groups: [
            {
              name: "react",
              test: /node_modules\/(react|react-dom|scheduler|react-router)\//,
              priority: 2,
            },
            {
              name: "state",
              test: /node_modules\/(@reduxjs|react-redux|immer|reselect|redux|redux-thunk|use-sync-external-store|i18next|react-i18next)\//,
              priority: 2,
            },
            // The small parts that every page uses; one request instead of fifteen.
            {
              name: "shared",
              test: /src\/shared\/(api|gifts|ids|money|storage|ui|i18n\/[\w-]+\.ts$)/,
              priority: 1,
            },
            { name: "form", test: /node_modules\/(react-hook-form|zod)\//, priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    environment: "jsdom",
    environmentOptions: { jsdom: { url: "http://almoner.test/" } },
    setupFiles: ["tests/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    unstubGlobals: true,
    // Two cores are shared with other work; a slow machine is no failure.
    testTimeout: 15_000,
  },
});
