import { useState } from "react";

interface Props {
  address: string | null;
  name: string;
  className?: string;
  eager?: boolean;
}

/** A charity's picture, or its initial where there is none or it does not load. Decorative. */
export function Picture({ address, name, className, eager = false }: Props) {
  const [failed, setFailed] = useState<string | null>(null);
  const box = `block aspect-video w-full bg-sunken object-cover ${className ?? ""}`;
  if (address === null || failed === address) {
    return (
      <div aria-hidden="true" className={`${box} grid! place-items-center`}>
        <span className="text-5xl font-semibold text-accent">{Array.from(name)[0] ?? ""}</span>
      </div>
    );
  }
  return (
    <img
      src={address}
      alt=""
      width={640}
      height={360}
      loading={eager ? "eager" : "lazy"}
      decoding="async"
      className={box}
      onError={() => {
        setFailed(address);
      }}
    />
  );
}
