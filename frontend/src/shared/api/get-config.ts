import { api } from "./api";
import type { Config } from "./types";

const getConfig = api.injectEndpoints({
  endpoints: (build) => ({
    getConfig: build.query<Config, undefined>({ query: () => "/config" }),
  }),
});

export const { useGetConfigQuery } = getConfig;
