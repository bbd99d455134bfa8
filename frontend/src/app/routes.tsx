import type { RouteObject } from "react-router";

import { NotFound } from "@/shared/ui/NotFound";

import { Broken } from "./Broken";
import { Layout } from "./layout/Layout";

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
          { path: "c/:slug/give", lazy: page(() => import("@/features/giving/GivePage")) },
          { path: "gift/:donation_id", lazy: page(() => import("@/features/gift/GiftPage")) },
          { path: "*", Component: () => <NotFound /> },
        ],
      },
    ],
  },
];

function page(load: () => Promise<{ default: React.ComponentType }>) {
  return async () => ({ Component: (await load()).default });
}
