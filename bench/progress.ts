/**
 * What is being done and how long the rest will take, on stderr: one line that is drawn over at a terminal, else a line
 * every so often.
 */

export interface Progress {
  /** A new bench begins. */
  begin(name: string): void;
  /** Says what is done now. */
  say(what: string): void;
  end(): void;
}

export interface Planned {
  readonly name: string;
  /** Seconds that it should take; only their proportions matter once some are over. */
  readonly seconds: number;
}

const SAY_EVERY_MS = 5_000;

export function showProgress(plan: readonly Planned[], out: NodeJS.WriteStream = process.stderr): Progress {
  const all = plan.reduce((sum, { seconds }) => sum + seconds, 0);
  const started = performance.now();
  let over = 0;
  let place = -1;
  let saidAt = Number.NEGATIVE_INFINITY;
  let begunAt = started;
  const left = (): number => {
    const now = performance.now();
    const { seconds = 0 } = plan[place] ?? {};
    // What this bench has had of its time counts, but for a last bit while it is not over.
    const done = over + Math.min((now - begunAt) / 1000, 0.95 * seconds);
    const pace = done > 10 ? (now - started) / 1000 / done : 1;
    return (all - done) * pace;
  };
  const draw = (what: string, isNew: boolean): void => {
    const line = `${place + 1} of ${plan.length} ${plan[place]?.name}${what === '' ? '' : `: ${what}`} … about ${duration(left())} left`;
    if (out.isTTY) out.write(`\r\u001b[2K${line.slice(0, out.columns - 1)}`);
    else if (isNew || performance.now() - saidAt > SAY_EVERY_MS) {
      saidAt = performance.now();
      out.write(`${line}\n`);
    }
  };
  return {
    begin(name) {
      if (place >= 0) over += plan[place]!.seconds;
      place = plan.findIndex((planned) => planned.name === name);
      begunAt = performance.now();
      draw('', true);
    },
    say: (what) => draw(what, false),
    end() {
      if (out.isTTY) out.write('\r\u001b[2K');
    },
  };
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
