/**
 * What this copy of the page may connect to. `index.html` is built to connect to nothing. `live.html` may reach a
 * service; before anything else runs it narrows its own security policy to the one service that the auditor named,
 * which a page can do and not undo, so that another service needs the page anew.
 */

/** The service that the auditor named for this page; empty if none. */
export function namedService(): string {
  return sessionStorage.getItem(STORED) ?? "";
}

/** Whether this copy of the page was built to connect to a service. */
export function canConnect(): boolean {
  const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute("content") ?? "";
  return !policy.includes("connect-src 'none'");
}

/** Remembers the service for this tab, and loads the page anew under a policy for it. */
export function nameService(origin: string): void {
  if (origin === "") {
    sessionStorage.removeItem(STORED);
  } else {
    sessionStorage.setItem(STORED, origin);
  }
  location.reload();
}

/** The origin of a service's address; undefined where it is none that the page may use. */
export function serviceOrigin(address: string): string | undefined {
  try {
    const { protocol, hostname, origin } = new URL(address);
    const own = hostname === "127.0.0.1" || hostname === "localhost";
    return protocol === "https:" || (protocol === "http:" && own) ? origin : undefined;
  } catch {
    return undefined;
  }
}

export function narrowConnections(): void {
  if (!canConnect()) {
    return;
  }
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = `connect-src ${serviceOrigin(namedService()) ?? "'none'"}`;
  document.head.append(meta);
}

const STORED = "clearproof.service";
