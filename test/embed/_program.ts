/** A program that embeds a broker, as a process of its own: what it is told on the command line, it does. */
import { embed } from '../../src/adapters/node/index.ts';

const [what, data] = process.argv.slice(2);
const wayside = await embed(data === undefined ? {} : { data });
const orders = wayside.station<number>('orders');

switch (what) {
  case 'close':
    await orders.create();
    for (let i = 1; i <= 10; i++) await orders.produce(i);
    orders.group('billing').handle(() => undefined);
    await wayside.close();
    process.stdout.write(
      `left: ${process
        .getActiveResourcesInfo()
        .filter((kind) => !kind.startsWith('Pipe'))
        .join(' ')}\n`,
    );
    break;
  case 'forget':
    await orders.create({ retention: { maxAgeMs: 86_400_000 } });
    await orders.produce(1);
    break;
  case 'hold':
    await orders.create();
    process.stdout.write('open\n');
    process.stdin.on('data', () => void wayside.close().then(() => process.exit()));
    break;
  case 'produce':
    await orders.create();
    for (let i = 1; ; i++) {
      const { sequence } = await orders.produce(i);
      process.stdout.write(`${i} ${sequence}\n`);
    }
}
