import { api } from "@/shared/api/api";
import type { CharityList } from "@/shared/api/types";

export interface ListArgs {
  q: string;
  category: string;
  country: string;
  lang: string;
}

const listCharities = api.injectEndpoints({
  endpoints: (build) => ({
    listCharities: build.infiniteQuery<CharityList, ListArgs, string | null>({
      infiniteQueryOptions: {
        initialPageParam: null,
        getNextPageParam: (page) => page.next ?? undefined,
      },
      query: ({ queryArg, pageParam }) => ({ url: "/charities", params: wire(queryArg, pageParam) }),
    }),
  }),
});

export const { useListCharitiesInfiniteQuery } = listCharities;

/** Only what is asked for goes into the address, so that equal lists share one cached answer. */
function wire(args: ListArgs, cursor: string | null): Record<string, string> {
  const params: Record<string, string> = { lang: args.lang };
  if (args.q !== "") params["q"] = args.q;
  if (args.category !== "") params["category"] = args.category;
  if (args.country !== "") params["country"] = args.country;
  if (cursor !== null) params["cursor"] = cursor;
  return params;
}
