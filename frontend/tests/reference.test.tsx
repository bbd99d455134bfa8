import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, expect, test } from "vitest";

import { openApp } from "./app";
import { server } from "./server";

const OPENAPI = {
  openapi: "3.1.0",
  info: { title: "Almoner", version: "0.1.0" },
  paths: {
    "/donations": {
      post: {
        tags: ["donations"],
        summary: "Give",
        parameters: [
          {
            name: "Idempotency-Key",
            in: "header",
            schema: { oneOf: [{ type: "string" }, { type: "null" }] },
          },
        ],
        requestBody: {
          content: {
            "application/json": {
              schema: {
                type: "object",
                required: ["amount"],
                properties: {
                  amount: {
                    oneOf: [{ type: "number" }, { type: "string" }],
                    description: "In major units.",
                  },
                },
              },
              examples: { gift: { value: { amount: 50 } } },
            },
          },
        },
        responses: {
          "201": {
            description: "Paid",
            content: { "application/json": { schema: { $ref: "#/components/schemas/Receipt" } } },
          },
          "503": { description: "Away" },
        },
      },
    },
    "/healthz": { get: { tags: ["operations"], summary: "Alive", responses: {} } },
  },
  components: {
    schemas: { Receipt: { type: "object", properties: { donation_id: { type: "string" } } } },
  },
};

beforeEach(() => {
  server.use(http.get("*/openapi.json", () => HttpResponse.json(OPENAPI)));
});

test("The API page tells each call's parameters, body and answers", async () => {
  openApp("/api");

  const give = await screen.findByRole("region", { name: "post /donations" });
  expect(give).toHaveTextContent("Idempotency-Keystring · header");
  expect(give).toHaveTextContent("amount · requirednumber or stringIn major units.");
  expect(give).toHaveTextContent('{ "amount": 50 }');
  expect(within(give).getByText("donation_id")).toBeInTheDocument();
  expect(give).toHaveTextContent("503 Away");
  expect(screen.getByRole("heading", { name: "Operations" })).toBeVisible();
  expect(screen.getByRole("link", { name: "POST /donations" })).toHaveAttribute(
    "href",
    "#post-donations",
  );
});

test("The example gift names this very server", async () => {
  openApp("/api");

  expect(await screen.findByTestId("curl")).toHaveTextContent("curl -i http://almoner.test/donations");
});

test("Every page links to the API page, which speaks the chosen language", async () => {
  openApp("/");
  const user = userEvent.setup();

  await user.click(await screen.findByRole("link", { name: "API for programs" }));
  await screen.findByRole("heading", { name: "The API, for programs" });
  await user.selectOptions(screen.getByLabelText("Language"), "zh-CN");

  expect(await screen.findByRole("heading", { name: "供程序调用的接口" })).toBeVisible();
  expect(screen.getByRole("heading", { name: "捐款" })).toBeVisible();
});

test("When the description cannot be had, a friendly page says so", async () => {
  server.use(http.get("*/openapi.json", () => new HttpResponse(null, { status: 503 })));

  openApp("/api");

  expect(await screen.findByTestId("away")).toHaveTextContent("The description of the API");
});
