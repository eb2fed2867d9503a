import { serveWayside } from '../../../src/adapters/browser/service-worker.ts';

serveWayside();
