import { existsSync, readdirSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import tseslint from "typescript-eslint";

const SRC = fileURLToPath(new URL("./src", import.meta.url));
const FEATURES = readdirSync(resolve(SRC, "features"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

/**
 * What each zone must not import. Made from the folder list, so that a new feature is guarded
 * from its first day: features know `shared` only, `shared` knows neither features nor the app.
 */
const ZONES = [
  ...FEATURES.map((feature) => ({
    zone: `features/${feature}/`,
    forbidden: ["app/", ...FEATURES.filter((f) => f !== feature).map((f) => `features/${f}/`)],
  })),
  { zone: "shared/", forbidden: ["app/", "features/"] },
];

/** @type {import("eslint").Rule.RuleModule} */
const zonesRule = {
  meta: {
    type: "problem",
    schema: [],
    messages: { zone: "{{from}} must not import {{target}}: move what both need to shared/." },
  },
  create(context) {
    const from = relative(SRC, context.filename).split(sep).join("/");
    const zone = ZONES.find((z) => from.startsWith(z.zone));
    if (!zone) return {};
    const check = (source) => {
      if (!source || typeof source.value !== "string") return;
      const spec = source.value;
      if (!spec.startsWith("@/") && !spec.startsWith(".")) return;
      const file = spec.startsWith("@/")
        ? resolve(SRC, spec.slice(2))
        : resolve(dirname(context.filename), spec);
      const target = `${relative(SRC, file).split(sep).join("/")}/`;
      if (zone.forbidden.some((prefix) => target.startsWith(prefix))) {
        context.report({ node: source, messageId: "zone", data: { from, target } });
      }
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
    };
  },
};

if (!existsSync(SRC)) throw new Error(`no sources at ${SRC}`);

export default tseslint.config(
  { ignores: ["node_modules/", "dist/", "coverage/"] },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [
      js.configs.recommended,
      ...tseslint.configs.strictTypeChecked,
      ...tseslint.configs.stylisticTypeChecked,
      reactHooks.configs.flat.recommended,
      jsxA11y.flatConfigs.strict,
    ],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { almoner: { rules: { zones: zonesRule } } },
    rules: {
      "almoner/zones": "error",
      "no-restricted-globals": [
        "error",
        { name: "parseFloat", message: "Money never goes through a float: see shared/money." },
      ],
      // Errors are shown by the element that caught them; console noise hides real ones.
      "no-console": "error",
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-misused-promises": [
        "error",
        { checksVoidReturn: { attributes: false } },
      ],
    },
  },
  {
    files: ["**/*.{js,mjs}", "public/*.js"],
    extends: [js.configs.recommended],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
);
