/** `npm start`: a broker with the settings of the environment. What `wayside serve` shares with it is in cli/serve.ts. */
import { serveFromEnvironment } from '../../cli/serve.ts';

await serveFromEnvironment();
