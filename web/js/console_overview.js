/* console_overview.js - the balance, a code to top it up, and the last days. */
import { el } from './dom.js';
import { field } from './dialogs.js';
import { usageCharts } from './console_usage.js';
import { heading, money, period, tile, tiles } from './figures.js';
import { t } from './text.js';

function balanceTiles(balance) {
    const { currency } = balance;
    const reserved = Number(balance.reserved) > 0 ? t('reservedNow', { amount: money(balance.reserved, currency) }) : '';
    return tiles(
        tile(t('balance'), money(balance.total_balance, currency), reserved),
        tile(t('toppedUp'), money(balance.topped_up_balance, currency), t('toppedUpNote')),
        tile(t('granted'), money(balance.granted_balance, currency), t('grantedNote')),
    );
}

function codeForm(panel) {
    const input = el('input', { autocomplete: 'off', required: true, spellcheck: 'false' });
    const form = el('form', { class: 'card' }, el('h2', {}, t('redeem')), el('div', { class: 'inline-form' }, field(t('code'), input), el('button', { class: 'button primary' }, t('redeemNow'))));
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        if (!(await panel.change(() => panel.act('/account/code/redeem', { code: input.value.trim() }), t('redeemed')))) input.select();
    });
    return form;
}

export async function renderOverview(box, panel) {
    const [balance, charts] = await Promise.all([panel.act('/account/balance'), usageCharts(panel, period('month30'))]);
    box.append(balanceTiles(balance), codeForm(panel), heading(t('last30')), ...charts);
}
