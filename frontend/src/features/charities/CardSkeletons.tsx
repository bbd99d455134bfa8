import { Skeleton } from "@/shared/ui/Skeleton";

const PLACES = ["a", "b", "c", "d", "e", "f"];

/** The list's shape while it loads, so that nothing jumps when it comes. */
export function CardSkeletons() {
  return (
    <div className="mt-8 grid gap-6 sm:grid-cols-2 lg:grid-cols-3" data-testid="skeletons">
      {PLACES.map((place) => (
        <div key={place} className="card overflow-hidden">
          <Skeleton className="aspect-video w-full rounded-none" />
          <div className="p-5">
            <Skeleton className="h-4 w-2/5" />
            <Skeleton className="mt-3 h-6 w-4/5" />
            <Skeleton className="mt-4 h-4 w-full" />
            <Skeleton className="mt-2 h-4 w-3/4" />
          </div>
        </div>
      ))}
    </div>
  );
}
