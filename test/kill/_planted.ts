/** `npm start` with a bug in it, named by PLANT: to see that the kill test notices. */
import { planted } from '../../src/core/faults.ts';

planted.add(process.env.PLANT ?? '');
await import('../../src/adapters/node/main.ts');
