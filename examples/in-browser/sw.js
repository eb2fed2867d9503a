// Serves the API to `fetch` of this site: wayside/v1/… beside this page.
import { serveWayside } from './lib/service-worker.js';

serveWayside({ path: new URL('wayside', self.location.href).pathname });
