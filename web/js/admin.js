/* admin.js - the operator's page: load, accounts, prices, ledger, usage, profit, codes and settings, audit. */
import { byId } from './dom.js';
import { Panel } from './panel.js';
import { renderLoad } from './admin_load.js';
import { renderAccounts } from './admin_accounts.js';
import { renderLedger } from './admin_ledger.js';
import { renderAdminPrices } from './admin_prices.js';
import { renderAdminUsage, renderProfit } from './admin_profit.js';
import { renderAudit, renderCodes } from './admin_codes.js';

async function start(panel) {
    await panel.act('/admin/load');
    byId('who').textContent = (await panel.act('/account/balance')).account;
    byId('other').hidden = false;
}

new Panel({
    start,
    sections: [
        { name: 'load', icon: 'pulse', render: renderLoad },
        { name: 'accounts', icon: 'people', render: renderAccounts },
        { name: 'usage', icon: 'chart', render: renderAdminUsage },
        { name: 'profit', icon: 'scale', render: renderProfit },
        { name: 'ledger', icon: 'book', render: renderLedger },
        { name: 'pricelist', icon: 'tag', render: renderAdminPrices },
        { name: 'codes', icon: 'gear', render: renderCodes },
        { name: 'audit', icon: 'shield', render: renderAudit },
    ],
}).begin();
