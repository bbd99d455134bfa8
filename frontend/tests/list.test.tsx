import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test, vi } from "vitest";

import { holdGift } from "@/shared/gifts/held-gifts";

import { openApp } from "./app";
import { CHARITY, GIFT, server } from "./server";

const named = (charity_id: number, name: string) => ({
  ...CHARITY,
  charity_id,
  slug: `c-${String(charity_id)}`,
  name,
});
const away = () =>
  HttpResponse.json({ code: "unavailable", title: "away", status: 503 }, { status: 503 });

test("The list shows skeletons, then cards with cause and country", async () => {
  openApp("/");

  expect(await screen.findByTestId("skeletons")).toBeInTheDocument();
  const card = await screen.findByTestId("charity-card");

  expect(card).toHaveTextContent("Clear Water");
  await waitFor(() => {
    expect(card).toHaveTextContent("Health · United States");
  });
  expect(document.title).toBe("Charities · Almoner");
});

test("Search waits for a pause, goes into the address and asks once", async () => {
  const asked: (string | null)[] = [];
  server.use(
    http.get("*/charities", ({ request }) => {
      asked.push(new URL(request.url).searchParams.get("q"));
      return HttpResponse.json({ items: [CHARITY], next: null });
    }),
  );
  const { router } = openApp("/?country=US");
  await screen.findByTestId("charity-card");

  await userEvent.setup().type(screen.getByLabelText("Search"), "water");
  await waitFor(() => {
    expect(router.state.location.search).toBe("?country=US&q=water");
  });

  await waitFor(() => {
    expect(asked).toEqual([null, "water"]);
  });
});

test("More charities come by the cursor", async () => {
  server.use(
    http.get("*/charities", ({ request }) => {
      const cursor = new URL(request.url).searchParams.get("cursor");
      return cursor === "next-1"
        ? HttpResponse.json({ items: [named(102, "Second")], next: null })
        : HttpResponse.json({ items: [named(101, "First")], next: "next-1" });
    }),
  );
  openApp("/");

  await userEvent.setup().click(await screen.findByRole("button", { name: "Show more" }));

  expect(await screen.findByText("Second")).toBeVisible();
  expect(screen.getByText("First")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
});

test("An empty list says so and offers to clear the filters", async () => {
  server.use(
    http.get("*/charities", ({ request }) =>
      HttpResponse.json({
        items: new URL(request.url).searchParams.has("q") ? [] : [CHARITY],
        next: null,
      }),
    ),
  );
  openApp("/?q=zzzz");

  const user = userEvent.setup();
  await user.click(await screen.findByRole("button", { name: "Show all charities" }));

  expect(await screen.findByTestId("charity-card")).toBeVisible();
  expect(screen.getByLabelText("Search")).toHaveValue("");
});

test("An old copy of the list is marked as such", async () => {
  server.use(
    http.get("*/charities", () =>
      HttpResponse.json({ items: [CHARITY], next: null, stale: true }),
    ),
  );

  openApp("/");

  expect(await screen.findByTestId("stale")).toHaveTextContent("may be a little out of date");
});

test("When the API is away, a friendly page says so and recovers by itself", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ["setTimeout", "clearTimeout"] });
  let answers = 0;
  server.use(
    http.get("*/charities", () => {
      answers += 1;
      return answers < 3 ? away() : HttpResponse.json({ items: [CHARITY], next: null });
    }),
  );
  openApp("/");

  expect(await screen.findByTestId("away")).toHaveTextContent(
    "The list cannot be loaded right nowYour money is safe: opening this page charges nothing.",
  );
  await vi.advanceTimersByTimeAsync(4_500);
  expect(screen.getByTestId("away")).toBeInTheDocument();
  await vi.advanceTimersByTimeAsync(7_000);

  expect(await screen.findByTestId("charity-card")).toBeInTheDocument();
});

test("The friendly page does not claim that nothing was charged while a gift is in doubt", async () => {
  sessionStorage.setItem(
    "almoner.form.clear-water",
    JSON.stringify({
      key: "k",
      draft: null,
      sent: { body: {}, charity_name: "Clear Water", in_doubt: true },
    }),
  );
  server.use(http.get("*/charities", away));

  openApp("/");

  const page = await screen.findByTestId("away");
  expect(page).toHaveTextContent("One of your gifts has no answer yet.");
  expect(page).not.toHaveTextContent(/charges nothing|nothing was charged/);
});

test("The friendly page does not claim that nothing was charged after a gift", async () => {
  holdGift({ ...GIFT, read_token: "token-1", held_at_ms: Date.now() });
  server.use(http.get("*/charities", away));

  openApp("/");

  const page = await screen.findByTestId("away");
  expect(page).toHaveTextContent("Gifts you have already given stand as they are");
  expect(page).not.toHaveTextContent("Your money is safe");
});

test("A charity that nobody knows has a page of its own", async () => {
  openApp("/c/nobody");

  expect(await screen.findByTestId("not-found")).toHaveTextContent("We do not know this charity");
});

test("A charity page links out safely and leads to the form", async () => {
  openApp("/c/clear-water");

  const website = await screen.findByRole("link", { name: /clear-water\.example/ });
  expect(website).toHaveAttribute("rel", "noopener noreferrer");
  expect(screen.getByRole("link", { name: "Give to Clear Water" })).toHaveAttribute(
    "href",
    "/c/clear-water/give",
  );
  expect(document.body).toHaveTextContent("530196605");
});

test("The language switch changes texts, the document's language and what is asked for", async () => {
  const asked: (string | null)[] = [];
  server.use(
    http.get("*/charities", ({ request }) => {
      asked.push(new URL(request.url).searchParams.get("lang"));
      return HttpResponse.json({ items: [CHARITY], next: null });
    }),
  );
  openApp("/");
  await screen.findByTestId("charity-card");

  await userEvent.setup().selectOptions(screen.getByLabelText("Language"), "zh-CN");

  expect(await screen.findByRole("heading", { name: "找到您关心的公益事业" })).toBeVisible();
  expect(document.documentElement.lang).toBe("zh-CN");
  await waitFor(() => {
    expect(asked).toEqual(["en", "zh-CN"]);
  });
});
