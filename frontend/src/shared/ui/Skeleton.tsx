/** A grey place where something is about to stand. */
export function Skeleton({ className }: { className: string }) {
  return <div aria-hidden="true" className={`skeleton rounded-lg ${className}`} />;
}
