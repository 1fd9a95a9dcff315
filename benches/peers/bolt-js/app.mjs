// Bolt for JavaScript as a peer: verify the signature, insert one durable row, acknowledge with a text.
import bolt from '@slack/bolt';

const { App, ExpressReceiver } = bolt;
const { PORT, DATABASE_URL, SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN, SLACK_API_URL } = process.env;

const columns = ['trigger_id', 'team_id', 'channel_id', 'user_id', 'text'];
const schema = `CREATE TABLE IF NOT EXISTS incidents (${columns.map((name) => `${name} TEXT NOT NULL`).join(', ')})`;
const values = (command) => columns.map((name) => command[name]);

async function postgres() {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 16 });
  await pool.query(schema);
  const text = `INSERT INTO incidents (${columns.join(', ')}) VALUES ($1, $2, $3, $4, $5)`;
  return (command) => pool.query({ name: 'insert', text, values: values(command) });
}

async function sqlite() {
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(DATABASE_URL.replace('sqlite://', ''));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(schema);
  const insert = database.prepare(`INSERT INTO incidents (${columns.join(', ')}) VALUES (?, ?, ?, ?, ?)`);
  return (command) => insert.run(values(command));
}

const insert = await (DATABASE_URL.startsWith('sqlite:') ? sqlite() : postgres());
const receiver = new ExpressReceiver({ signingSecret: SLACK_SIGNING_SECRET, endpoints: '/slack/commands' });
receiver.router.get('/healthz', (_request, response) => response.send('ok'));

const app = new App({ token: SLACK_BOT_TOKEN, receiver, clientOptions: { slackApiUrl: SLACK_API_URL } });
app.command('/incident', async ({ command, ack }) => {
  await insert(command);
  await ack(`Declared: ${command.text}`);
});

// Kept alive longer than any run, so that no idle connection is closed under the load.
const server = await app.start({ port: Number(PORT), host: '127.0.0.1' });
server.keepAliveTimeout = 120_000;
