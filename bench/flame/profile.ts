/** A CPU profile as V8 writes it (`--cpu-prof`), and the tree of who called whom that is in it. */

/** Of the file, as far as it is read. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node that was running, at each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface Frame {
  readonly name: string;
  /** Where it stands; empty for what is none of a file's. */
  readonly place: string;
  /** Microseconds in it, and in it and all that it has called. */
  self: number;
  total: number;
  readonly children: Frame[];
}

/** What the process does when it does nothing. */
const IDLE = '(idle)';
/** Folders that a place is told from. */
const ROOTS = /^.*\/(?=(?:src|bench|test|node_modules)\/)/;

/** @returns the root: all that was not idle */
export function tree({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const selves = new Map<number, number>();
  for (const [i, id] of samples.entries()) selves.set(id, (selves.get(id) ?? 0) + (timeDeltas[i] ?? 0));
  const frameOf = (node: ProfileNode): Frame => {
    const { functionName, url, lineNumber } = node.callFrame;
    const children: Frame[] = [];
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child !== undefined && child.callFrame.functionName !== IDLE) children.push(frameOf(child));
    }
    const self = selves.get(node.id) ?? 0;
    const total = children.reduce((sum, child) => sum + child.total, self);
    const place = url === '' ? '' : `${url.replace(ROOTS, '').replace('node_modules/', '')}:${lineNumber + 1}`;
    return { name: functionName || '(anonymous)', place, self, total, children: merged(children) };
  };
  return frameOf(nodes[0]!);
}

/** The same function called from the same one is one frame, the widest first. */
function merged(frames: readonly Frame[]): Frame[] {
  const byName = new Map<string, Frame>();
  for (const frame of frames) {
    const key = `${frame.name} ${frame.place}`;
    const known = byName.get(key);
    byName.set(key, known === undefined ? frame : together(known, frame));
  }
  return [...byName.values()].filter(({ total }) => total > 0).sort((a, b) => b.total - a.total);
}

function together(a: Frame, b: Frame): Frame {
  return { ...a, self: a.self + b.self, total: a.total + b.total, children: merged([...a.children, ...b.children]) };
}

export interface Hot {
  readonly name: string;
  readonly place: string;
  readonly self: number;
}

/** Functions by the time spent in them alone. */
export function hottest(root: Frame, count: number): Hot[] {
  const selves = new Map<string, Hot>();
  const walk = ({ name, place, self, children }: Frame): void => {
    const key = `${name} ${place}`;
    selves.set(key, { name, place, self: (selves.get(key)?.self ?? 0) + self });
    for (const child of children) walk(child);
  };
  walk(root);
  return [...selves.values()].sort((a, b) => b.self - a.self).slice(0, count);
}
