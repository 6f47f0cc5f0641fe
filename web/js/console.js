/* console.js - the page of an account: what it has, what it used, its keys, prices, and how to begin. */
import { byId } from './dom.js';
import { Panel } from './panel.js';
import { renderOverview } from './console_overview.js';
import { renderUsage } from './console_usage.js';
import { renderKeys } from './console_keys.js';
import { renderPrices } from './console_prices.js';
import { renderStart } from './console_start.js';

async function start(panel) {
    panel.me = await panel.act('/account/balance');
    byId('who').textContent = panel.me.account;
    byId('other').hidden = panel.me.role !== 'admin';
}

new Panel({
    start,
    sections: [
        { name: 'overview', icon: 'wallet', render: renderOverview },
        { name: 'usage', icon: 'chart', render: renderUsage },
        { name: 'keys', icon: 'key', render: renderKeys },
        { name: 'pricelist', icon: 'tag', render: renderPrices },
        { name: 'quickstart', icon: 'code', render: renderStart },
    ],
}).begin();
