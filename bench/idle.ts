/**
 * 10,000 idle stations with a group each: what a broker with its gateway takes that was started on them, once as it
 * comes up and once when each of them has been asked for (so that every partition is open).
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { brokerOn, folder, inFlight, SERVER_FLAGS } from './place.ts';
import type { Row } from './report.ts';

const STATIONS = 10_000;

export async function run(): Promise<Row[]> {
  const place = folder();
  const data = join(place.path, 'data');
  const { broker } = await brokerOn(data);
  await inFlight(STATIONS, 32, async (i) => {
    await broker.putStation('default', `s${i}`, {});
    await broker.putGroup('default', `s${i}`, 'g', {});
  });
  await broker.close();
  const { started, asked } = await measure(data, STATIONS);
  const none = await measure(join(place.path, 'none'), 0);
  place.remove();
  const beside = [{ name: 'no station', values: [none.started] }];
  return [
    {
      name: '10,000 idle stations with a group each: memory (RSS) after a start',
      unit: 'MiB',
      ours: { values: [started] },
      beside,
      atMost: 200,
    },
    { name: '… when each has been asked for', unit: 'MiB', ours: { values: [asked] }, beside, atMost: 200 },
  ];
}

async function measure(data: string, stations: number): Promise<{ started: number; asked: number }> {
  const child = fork(`${import.meta.dirname}/idle-child.ts`, [data], { execArgv: ['--expose-gc', ...SERVER_FLAGS] });
  const ask = async (): Promise<number> => {
    const said = once(child, 'message');
    child.send('measure');
    return (await said)[0] as number;
  };
  const [url] = (await once(child, 'message')) as [string];
  const started = await ask();
  await inFlight(stations, 8, async (i) => {
    const answer = await fetch(`${url}/v1/stations/s${i}/groups/g`);
    if (!answer.ok) throw new Error(await answer.text());
    await answer.arrayBuffer();
  });
  const asked = await ask();
  child.disconnect();
  await once(child, 'exit');
  return { started, asked };
}
