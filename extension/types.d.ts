/** What the parts of the extension hand to each other. Times are RFC 3339 strings, digests `sha256:…`. */

export type SourceKind = 'original' | 'contributed' | 'reprinted' | 'compiled';

export interface Source { kind: SourceKind; name: string; url: string }

/** A picture as the page named it; its bytes lie in the picture store under (draft, url). */
export interface Picture { url: string; alt: string; read: boolean }

/** What a site's reader found. `html` is hostile until it has passed `ui/clean.js` or the desk's normaliser. */
export interface RawCapture {
  title: string; summary: string; author: string; html: string; cover: string;
  account: string; siteName: string; whole: boolean;
  /** Words that stand in the page where nobody can see them; they are not in `html`. */
  hidden?: string[];
}

/** Something that was not taken over, by kind and by what the page calls it. */
export interface Left { kind: 'video' | 'audio' | 'drawing' | 'background' | 'card' | 'hidden'; name: string }

/** The same after the inventory: addresses absolute, what could and could not be read. */
export interface Inventory {
  html: string; words: number; pictures: { url: string; from: string; alt: string }[];
  cover: { url: string; from: string } | null; left: Left[];
}

/** The first line of the panel. */
export interface Report {
  title: boolean; words: number; pictures: number; cover: number;
  missing: { videos: number; audios: number; pictures: number; others: number };
  left: Left[];
}

export interface Facts {
  category: 'company' | 'news' | 'culture' | 'other' | ''; sensitive: boolean; executives: boolean;
  external_quote: boolean; ai_generated: boolean; reprinted_pictures: boolean;
}

/** A draft as the person edits it; written by the panel, made by the worker. */
export interface Draft {
  id: string; made: string; changed: string; site: string; siteName: string; url: string; account: string; tab: number | null;
  report: Report;
  title: string; summary: string; author: string; source: Source; html: string;
  pictures: Picture[]; cover: string | null;
  facts: Facts; channels: string[]; scheduled: string | null; message: string; closed: boolean;
  /** Digest of what stood in the site's editor when it was captured; empty where it was no editor. */
  origin: string;
  /** Where it corrects or takes down what is published. */
  act: { operation: 'edit' | 'withdraw'; channel: string; previous: string } | null;
}

/** What the desk knows of a draft; written by the worker only. */
export interface Remote {
  /** Who made it at which desk: another person's draft is unknown there. */
  owner: string;
  desk: string | null; version: number; saving: boolean; sent: Record<string, string>;
  /** Of which bytes the pictures in `sent` were made, by address; and what the desk's bytes were seen to be, by digest. */
  made: Record<string, string>; shapes: Record<string, Measured>;
  result: DeskDraft | null;
  problem: Problem | null; queued: boolean; submission: string | null; number: string; content: string | null;
  /** The submission's last entry that this person has been shown; null while nobody has looked. */
  last: number | null;
  /** Which revision `content` was counted for, what was declared with it, and what the desk says otherwise of it. */
  revision: number; handed: Declared | null; altered: Difference | null;
  state: string;
}

export interface DeskPicture { digest: string; width: number; height: number; notes: string[]; data: string }

/** A picture as a manifest measures it. */
export interface Measured { type: string; length: number; width: number; height: number }

export interface Target { channel: string; operation: string; previous: string | null }

/** What is handed in besides the content. */
export interface Declared { targets: Target[]; facts: Facts; scheduled: string | null }

/**
 * What the desk says otherwise. Of targets both sides are lines "operation name", of facts the category and the flags that are set,
 * of a time the instant.
 */
export interface Difference { field: string; mine: string; theirs: string }

export interface Removed { kind: string; what: string; before: string; after: string; where: string; count: number }

export interface DeskDraft {
  draft: string; version: number; state: string; content: string | null; manifest: unknown; removed: Removed[];
  needed: { url: string; alt: string; where: string; code: string }[];
  /** Everything that will be handed in besides the body, as the desk keeps it. */
  kept: (Declared & { title: string; summary: string; author: string; source: Source; cover: string | null; message: string }) | undefined;
}

/** RFC 9457 with the gateway's members. */
export interface Problem {
  code: string; status: number; title: string; detail: string; rule?: string; article?: string; next?: string;
  version?: number;
  look?: Preflight;
  /** What the desk's text says otherwise than what was written. */
  differs?: Difference;
  ask?: { name: string; office: string; extension: string }[]; missing?: string[];
}

export interface Session {
  address: string; token: string; person: string; name: string; title: string; unit: string; unitName: string;
  paired: string; device: string;
}

export interface Channel { id: string; platform: string; account: string; name: string; unit: string; filing: string; used: number; limit: number;
  capabilities: Record<string, boolean> }

export interface Preflight {
  answered: boolean; blocking: number;
  route: { stage: string; kind: string; words: string; rule: string; people: { name: string; office: string; extension: string }[] }[];
  findings: { code: string; grade: 'block' | 'confirm' | 'hint'; rule: string; zh: string; en: string; channel?: string;
    place: { field: string; quote: string } | null; fix: { replace_with: string } | null }[];
  obstacles: Problem[];
  quotas: { channel: string; used: number; limit: number | null }[];
  blackouts: Blackout[];
  average_hours?: number | null;
  window_to: string;
}

/** Days on which a channel sends nothing; `earliest` is the first instant after the last of them in a row. */
export interface Blackout { channel: string; kind: string; earliest: string; rule: string; article: string; ask: { name: string; office: string; extension: string }[] }

/** A note of a return (docs/spec/notes.md). */
export interface Note { field: string; start: number; quote: string; note: string; replace_with: string | null }

export interface Submission {
  id: string; number: string; revision: number; draft: string; content: string | null; targets: Target[]; facts: Facts & { found: string[] };
  scheduled: string | null; title: string; state: string; made_at: string; since: string;
  window_to: string; waiting: { words: string; people: { name: string; office: string; extension: string }[] }[];
  returned: { by: string; at: string; reason: string; text: string } | null; notes: Note[];
  publications: { id: string; channel: string; name: string; state: string; url: string; revision: number }[];
  seq: number; nudge: { sent_to: { name: string; office: string }[]; next_at: string } | null;
}

/** Something the person asked for that must reach the desk once, however often it is tried. */
export interface Errand { draft: string; command: string; person: string; address: string; at: string;
  /** What was handed in, once it may have arrived: from then on exactly this is repeated. */
  body: { draft: string; version: number; content: string | null; expected: number | null; handed: Declared } | null;
}

export interface Managed { known: boolean; deskUrl: string; orgName: string }

export interface Sender { id?: string; origin?: string; url?: string; tab?: unknown; frameId?: number }

export type Handler = (args: any, sender: Sender) => unknown;
export interface Tables { own: Record<string, Handler>; page: Record<string, Handler> }
