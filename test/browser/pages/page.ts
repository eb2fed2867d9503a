/** What a test asks of a page: the module of the browser, at hand by name. */
import { browserBroker } from '../../../src/adapters/browser/index.ts';

Object.assign(globalThis, { browserBroker });
