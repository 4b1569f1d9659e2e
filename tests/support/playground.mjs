// The playground as somebody uses it, in Chromium. `node playground.mjs FOLDER SCREENS` serves the folder itself;
// `node playground.mjs URL SCREENS` goes to the page that a demo serves.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';

const [where, screens] = process.argv.slice(2);
const isDemo = where.startsWith('http:');
mkdirSync(screens, { recursive: true });

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' };
const server = createServer((request, response) => {
  const path = request.url === '/' ? '/index.html' : request.url;
  try {
    const content = readFileSync(join(where, path));
    response.writeHead(200, { 'content-type': TYPES[extname(path)] }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const origin = isDemo ? where : `http://127.0.0.1:${server.address().port}/`;

const flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags });
const wrong = [];

async function open(options = {}, fragment = '') {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('request', (request) => request.url().startsWith('http') && !request.url().startsWith(origin) && wrong.push(request.url()));
  await page.addInitScript(() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(origin + fragment);
  await page.waitForSelector('html[data-ready]');
  return page;
}

const shot = async (page, name) => {
  // After the animations.
  await page.waitForTimeout(700);
  await page.screenshot({ path: join(screens, `${name}.png`) });
};
const texts = (page, selector) => page.$$eval(selector, (found) => found.map((it) => it.textContent));
const statuses = (page) => texts(page, '#steps .status');
const table = (page, resource) => page.locator('#side .table', { has: page.locator('h3', { hasText: resource }) });
const settled = (page, expected) =>
  page.waitForFunction(
    (expected) => [...document.querySelectorAll('#steps .status')].map((it) => it.textContent).join() === expected,
    expected.join(),
  );
const choose = (page, label) => page.selectOption('#sequences', { label });
const step = (page, number) => page.click(`#steps li:nth-child(${number}) button`);

async function write(page, selector, text) {
  await page.click(`${selector} .cm-content`);
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

const mapping = readFileSync(new URL('../../mappings/example.yaml', import.meta.url), 'utf8');

async function everythingByItself() {
  const page = await open();
  const mark = (name) => page.evaluate((name) => Math.round(performance.getEntriesByName(name)[0].startTime), name);
  console.log(`playground: shown after ${await mark('shown')} ms, first requests answered after ${await mark('ready')} ms`);
  await settled(page, ['200', '201', '200']);
  assert.deepEqual(await texts(page, '#problems'), ['No mistakes.']);
  assert.equal(await table(page, 'User').locator('tr.new').count(), 1);
  assert.match((await texts(page, '.message.calls .target')).join(), /\/api\/v2\/users,\/api\/v2\/users\/7\/password/);
  await shot(page, 'laptop-light');
  assert.equal(await page.evaluate(() => window.shifts), 0);

  // A mistake is shown at its line; without it everything is as before.
  await write(page, '#mapping-editor', mapping.replace('native: login', 'nativ: login'));
  await page.waitForSelector('.cm-lint-marker-error');
  const line = mapping.split('\n').findIndex((it) => it.includes('native: login')) + 1;
  await page.waitForFunction((line) => document.querySelector('#problems .at')?.textContent.startsWith(`${line}:`), line);
  await page.click('#problems button');
  await shot(page, 'mistake');
  assert.equal(await page.evaluate(() => document.activeElement.closest('#mapping-editor') !== null), true);
  await write(page, '#mapping-editor', mapping);
  await page.waitForSelector('#problems .fine');
  await settled(page, ['200', '201', '200']);
  // What the mapping says is what is called.
  await write(page, '#mapping-editor', mapping.replace('base: /api/v2', 'base: /api/v3'));
  await page.waitForFunction(() => document.querySelector('.message.calls .target')?.textContent.startsWith('/api/v3/'));
  await write(page, '#mapping-editor', mapping);
  await page.waitForFunction(() => document.querySelector('.message.calls .target')?.textContent.startsWith('/api/v2/'));

  // Completion from the language's schema.
  await page.click('#mapping-editor .cm-content');
  await page.keyboard.press('Control+Home');
  await page.keyboard.insertText('lim');
  await page.keyboard.press('Control+Space');
  await page.waitForSelector('.cm-tooltip-autocomplete');
  assert.match((await texts(page, '.cm-tooltip-autocomplete .cm-completionLabel')).join(), /limits/);
  await shot(page, 'completion');
  await page.keyboard.press('Escape');
  await write(page, '#mapping-editor', mapping);
  await page.waitForSelector('#problems .fine');

  // The sequences.
  await choose(page, 'Okta: deactivate, and assign again');
  await settled(page, ['200', '200', '200', '200']);
  await step(page, 2);
  assert.match((await texts(page, '.message.calls .target')).join(), /\/api\/v2\/users\/1\/suspend/);
  assert.match((await texts(page, '.changes')).join(), /activetrue → false/);
  assert.equal((await table(page, 'User').locator('td.changed').allTextContents())[0], 'SUSPENDED');
  await step(page, 3);
  assert.deepEqual(await texts(page, '.message.calls .target'), ['/api/v2/users/1']);
  await choose(page, 'Okta: push a group');
  await settled(page, ['200', '201', '200', '204', '204', '200', '204', '204', '204']);
  await step(page, 4);
  assert.match((await table(page, 'Group').locator('td.changed').allTextContents()).join(), /bjensen@example.com/);
  await choose(page, 'Entra ID: PATCH, the usual dialect');
  await settled(page, ['200', '200', '200', '200']);
  await step(page, 2);
  assert.match((await texts(page, '.quirks summary')).join(), /operation-case/);
  for (const summary of await page.$$('.message summary')) await summary.click();
  assert.match((await texts(page, '.message.calls mark')).join(), /"display_name": "Pvlo", was "Barbara Jensen"/);
  await page.click('.quirks summary');
  assert.match((await texts(page, '.quirks details')).join(), /Sent by Entra ID/);
  await shot(page, 'patch');
  await page.$eval('#requests .scroll', (it) => it.scrollTo(0, it.scrollHeight));
  await shot(page, 'patch-end');
  for (const name of ['Entra ID: test the connection, create a user', 'Entra ID: PATCH, with aadOptscim062020', 'Entra ID: manager', 'Entra ID: groups', 'Okta: update a profile', 'Filters, sorting and paging']) {
    await choose(page, name);
    await page.waitForFunction(() => [...document.querySelectorAll('#steps .status')].every((it) => /^20[0-4]$/.test(it.textContent)));
  }

  // Replies by hand.
  await choose(page, 'Okta: update a profile');
  await page.waitForFunction(() => document.querySelectorAll('#steps .status').length === 3);
  await step(page, 2);
  await page.check('input[value=hand]', { force: true });
  await page.waitForSelector('.card input');
  await page.fill('.card input', '500');
  await page.keyboard.press('Tab');
  await page.waitForFunction(() => document.querySelector('.message.answers .status')?.textContent === '502');
  await shot(page, 'by-hand');
  await page.check('input[value=page]', { force: true });

  // Every mapping that is shipped.
  await choose(page, 'Okta: assign a user');
  for (const name of await page.$$eval('#mappings option:not([hidden])', (all) => all.map((it) => it.value))) {
    await page.selectOption('#mappings', name);
    await page.waitForTimeout(200);
    await settled(page, ['200', '201', '200']).catch(async () => assert.fail(`${name}: ${await statuses(page)}`));
  }

  // A request of one's own, sent by keyboard.
  await page.selectOption('#mappings', 'grafana');
  await choose(page, 'A request of your own');
  await page.fill('#target', '/Users?filter=userName eq "bjensen@example.com"');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.message.calls .target')?.textContent.includes('query=bjensen@example.com'));

  // A link carries all of it.
  await page.click('#share');
  await page.waitForFunction(() => location.hash.length > 1);
  const fragment = new URL(page.url()).hash;
  const other = await open({}, fragment);
  assert.equal(await other.inputValue('#target'), '/Users?filter=userName eq "bjensen@example.com"');
  assert.equal(await other.inputValue('#mappings'), 'grafana');
  await other.waitForFunction(() => document.querySelector('.message.calls .target')?.textContent.includes('query=bjensen@example.com'));
}

async function everyLook() {
  await shot(await open({ colorScheme: 'dark' }), 'laptop-dark');
  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true });
  await shot(phone, 'phone-requests');
  for (const part of ['mapping', 'application']) {
    await phone.click(`#tab-${part}`);
    assert.equal(await phone.isVisible(`#${part}`), true);
    assert.equal(await phone.isVisible('#requests'), false);
    await shot(phone, `phone-${part}`);
  }
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(wide, 390, 'the page is as wide as the phone');
  assert.equal(await phone.evaluate(() => window.shifts), 0);
}

async function liveDemo() {
  const page = await open();
  await page.check('input[value=live]', { force: true });
  await page.waitForFunction(() => document.querySelector('#side')?.textContent.includes('Nothing is in it'));
  const expected = [];
  for (const [at, status] of ['200', '201', '200'].entries()) {
    await step(page, at + 1);
    await page.click('#run');
    expected.push(status);
    await page.waitForFunction(([at, status]) => document.querySelectorAll('#steps .status')[at].textContent === status, [at, status]);
  }
  await step(page, 2);
  assert.match((await texts(page, '.message.calls .target')).join(), /\/api\/v2\/users,\/api\/v2\/users\/\d+\/password/);
  assert.match((await table(page, 'User').locator('tr.new').allTextContents()).join(), /test.user@okta.local/);
  await shot(page, 'live');
}

try {
  if (isDemo) await liveDemo();
  else {
    await everythingByItself();
    await everyLook();
  }
  assert.deepEqual(wrong, []);
} finally {
  await browser.close();
  server.close();
}
