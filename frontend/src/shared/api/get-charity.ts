import { api } from "./api";
import type { Charity } from "./types";

const getCharity = api.injectEndpoints({
  endpoints: (build) => ({
    getCharity: build.query<Charity, { slug: string; lang: string }>({
      query: ({ slug, lang }) => ({
        url: `/charities/${encodeURIComponent(slug)}`,
        params: { lang },
      }),
    }),
  }),
});

export const { useGetCharityQuery } = getCharity;
