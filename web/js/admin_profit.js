/* admin_profit.js - usage by whatever an operator asks for, and what each day brought against what the machine cost. */
import { el } from './dom.js';
import { barChart } from './chart.js';
import { field } from './dialogs.js';
import { usageCharts } from './console_usage.js';
import { button, count, dayName, heading, money, period, PERIODS, select, table, tile, tiles } from './figures.js';
import { number, t } from './text.js';

/* ---- usage ---- */

const BY = ['model', 'account', 'key', 'group', 'class', 'day'];

function cell(name, row) {
    if (name === 'amount') return money(row.amount, row.currency);
    if (name === 'class') return t(`class_${row.class}`);
    return typeof row[name] === 'number' && name !== 'key' ? count(row[name]) : String(row[name]);
}

const titles = { hit: 'class_hit', miss: 'class_miss', output: 'class_output', reasoning: 'class_reasoning' };

function anyTable(title, rows) {
    const names = Object.keys(rows[0] || {}).filter((name) => name !== 'currency');
    return table(title, names.map((name) => ({ title: t(titles[name] || name), number: typeof rows[0][name] === 'number' || name === 'amount', value: (row) => cell(name, row) })), rows);
}

const periodSelect = (chosen, change) => select(t('period'), PERIODS.map((name) => [name, t(`period_${name}`)]), chosen, change);

export async function renderAdminUsage(box, panel) {
    const chosen = { period: 'month30', by: 'model' };
    const body = el('div', { class: 'section' });
    const paint = async () => {
        const wanted = panel.stamp();
        const span = period(chosen.period);
        const [charts, sums] = await Promise.all([usageCharts(panel, span, '/admin'), panel.act('/admin/usage', { by: chosen.by, ...span })]);
        if (wanted()) body.replaceChildren(...charts, heading(t(`by_${chosen.by}`)), anyTable(t(`by_${chosen.by}`), sums.data));
    };
    const change = (name) => (value) => {
        chosen[name] = value;
        panel.attempt(paint);
    };
    const save = () => panel.attempt(() => panel.saveCsv('/admin/usage', { by: 'detail', ...period(chosen.period) }, `usage-${chosen.period}.csv`));
    box.append(heading('', periodSelect(chosen.period, change('period')), select(t('sumBy'), BY.map((name) => [name, t(`by_${name}`)]), chosen.by, change('by')), button(t('saveCsv'), save)), body);
    await paint();
}

/* ---- profit ---- */

const COSTS = ['hour-price', 'kwh-price', 'watts', 'idle-watts'];
const margin = (text) => (text === null ? '–' : `${number(Number(text), 1)} %`);

function costForm(panel, settings) {
    const known = Object.fromEntries(settings.map((row) => [row.name, row.value]));
    const inputs = Object.fromEntries(COSTS.map((name) => [name, el('input', { type: 'number', min: '0', step: 'any', inputmode: 'decimal', value: known[name] || '' })]));
    const currency = el('input', { value: known['cost-currency'] || 'USD', pattern: '[A-Z]{3}', maxlength: '3', required: true });
    const form = el('form', { class: 'card section' }, el('h2', {}, t('machineCosts')), el('p', { class: 'lead' }, t('machineCostsNote')), el('div', { class: 'field-row' }, ...COSTS.map((name) => field(t(`cost_${name}`), inputs[name])), field(t('currency'), currency)), el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('save'))));
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        await panel.change(async () => {
            for (const name of COSTS) await panel.act('/admin/setting/set', { name, value: inputs[name].value });
            await panel.act('/admin/setting/set', { name: 'cost-currency', value: currency.value });
        }, t('saved'));
    });
    return form;
}

function profitTable(data) {
    const amount = (name) => ({ title: t(name), number: true, value: (row) => el('span', { class: row[name].startsWith('-') ? 'bad' : null }, money(row[name], row.currency)) });
    return table(t('profit'), [
        { title: t('day'), value: (row) => row.day },
        { title: t('hours'), number: true, value: (row) => number(Number(row.hours), 2) },
        { title: t('busyHours'), number: true, value: (row) => number(Number(row.busy_hours), 2) },
        { title: t('requests'), number: true, value: (row) => count(row.requests) },
        { title: t('input'), number: true, value: (row) => count(row.hit + row.miss) },
        { title: t('class_output'), number: true, value: (row) => count(row.output) },
        amount('revenue'),
        amount('cost'),
        amount('profit'),
        { title: t('margin'), number: true, value: (row) => margin(row.margin_percent) },
    ], data, t('noProfit'));
}

export async function renderProfit(box, panel) {
    let chosen = 'month30';
    const { data: settings } = await panel.act('/admin/setting/list');
    const body = el('div', { class: 'section' });
    const paint = async () => {
        const wanted = panel.stamp();
        const { data, total } = await panel.act('/admin/profit', period(chosen));
        if (!wanted()) return;
        const figures = tiles(tile(t('revenue'), money(total.revenue, total.currency)), tile(t('cost'), money(total.cost, total.currency), t('hoursNote', { hours: number(Number(total.hours), 1), busy: number(Number(total.busy_hours), 1) })), tile(t('profit'), money(total.profit, total.currency)), tile(t('margin'), margin(total.margin_percent), t('marginNote')));
        const rows = data.map((row) => ({ name: dayName(row.day), values: [Number(row.revenue), Number(row.cost)] }));
        const compare = data.length ? [barChart(t('revenueAndCost'), { rows, series: [t('revenue'), t('cost')], format: (value) => money(value, total.currency), beside: true, colours: [2, 4] })] : [];
        body.replaceChildren(figures, ...compare, profitTable([...data].reverse()));
    };
    const save = () => panel.attempt(() => panel.saveCsv('/admin/profit', period(chosen), `profit-${chosen}.csv`));
    box.append(heading('', periodSelect(chosen, (value) => ((chosen = value), panel.attempt(paint))), button(t('saveCsv'), save)), body, costForm(panel, settings));
    await paint();
}
