/** One block of a stream of server-sent events (HTML standard, 9.2.6). */
export interface ServerEvent {
  data: string;
}

/** Puts pieces of text together to events. The server sends plain line feeds. */
export class EventReader {
  /** When the server wants the page back after the end of the stream. */
  retry_ms: number | null = null;
  #rest = "";

  /** The events that this piece completes. */
  read(piece: string): ServerEvent[] {
    const blocks = (this.#rest + piece).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => this.#event(block));
  }

  #event(block: string): ServerEvent[] {
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") data.push(value);
      if (name === "retry" && /^\d+$/.test(value)) this.retry_ms = Number(value);
    }
    return data.length > 0 ? [{ data: data.join("\n") }] : [];
  }
}
