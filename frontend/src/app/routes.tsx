import type { RouteObject } from "react-router";

import { NotFound } from "@/shared/ui/NotFound";

import { Broken } from "./Broken";
import { Layout } from "./layout/Layout";

const giftPage = () => import("@/features/gift/GiftPage");

/**
 * The form brings the gift's page along: once a gift is charged, its page must be there to say so,
 * even when the server has just gone away.
 */
const givePage = () => {
  giftPage().catch(() => undefined);
  return import("@/features/giving/GivePage");
};

/** Every page is a chunk of its own; the first one to be seen loads alone. */
export const routes: RouteObject[] = [
  {
    Component: Layout,
    ErrorBoundary: Broken,
    HydrateFallback: () => null,
    children: [
      {
        ErrorBoundary: Broken,
        children: [
          { index: true, lazy: page(() => import("@/features/charities/ListPage")) },
          { path: "c/:slug", lazy: page(() => import("@/features/charities/CharityPage")) },
          { path: "c/:slug/give", lazy: page(givePage) },
          { path: "gift/:donation_id", lazy: page(giftPage) },
          { path: "api", lazy: page(() => import("@/features/reference/ReferencePage")) },
          { path: "*", Component: () => <NotFound /> },
        ],
      },
    ],
  },
];

function page(load: () => Promise<{ default: React.ComponentType }>) {
  return async () => ({ Component: (await load()).default });
}
