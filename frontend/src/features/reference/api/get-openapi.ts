import { api } from "@/shared/api/api";

import type { OpenApi } from "../openapi";

const getOpenApi = api.injectEndpoints({
  endpoints: (build) => ({
    getOpenApi: build.query<OpenApi, undefined>({
      query: () => ({ url: "/openapi.json", headers: { Accept: "application/json, */*" } }),
    }),
  }),
});

export const { useGetOpenApiQuery } = getOpenApi;
