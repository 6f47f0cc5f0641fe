/* money.js - what an answer cost, from its usage and the prices that the user gave or the server says. */
import { preference } from './preferences.js';
import { locale } from './text.js';

let served = null; // { currency, models: { name: { hit, miss, output, reasoning } }, calls: { search } }, for a million

export function setServedPrices(prices) {
    served = prices || null;
}

function own() {
    const given = preference('prices');
    const any = [given.hit, given.miss, given.output].some((price) => price !== '' && price !== undefined);
    return any ? { ...given, reasoning: given.output } : null;
}

/** Prices for an answer of a model; null where none are known. */
function pricesOf(model) {
    const given = own();
    if (given) return given;
    const tokens = served?.models?.[model];
    return tokens ? { currency: served.currency, search: served.calls?.search, ...tokens, reasoning: tokens.reasoning ?? tokens.output } : null;
}

function text(cost, currency) {
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: 6 };
    try {
        return new Intl.NumberFormat(locale(), { style: 'currency', currency: currency || 'USD', ...digits }).format(cost);
    } catch {
        return `${new Intl.NumberFormat(locale(), digits).format(cost)} ${currency}`; // no code of a currency
    }
}

/** What an answer costs by the prices of now, for keeping: { amount, currency }; null where no prices are known. */
export function costNow(usage, model, searches = 0) {
    const price = pricesOf(model);
    if (!price || !usage) return null;
    const hit = usage.prompt_cache_hit_tokens || 0;
    const miss = usage.prompt_cache_miss_tokens ?? usage.prompt_tokens - hit;
    const reasoning = usage.completion_tokens_details?.reasoning_tokens || 0;
    const parts = [[hit, price.hit], [miss, price.miss], [usage.completion_tokens - reasoning, price.output], [reasoning, price.reasoning], [searches, price.search]];
    return { amount: parts.reduce((sum, [units, each]) => sum + units * (Number(each) || 0), 0) / 1e6, currency: price.currency };
}

/** As text: by the user's own prices, or as it was reckoned when the answer came. */
export function costOf(message) {
    const cost = own() || !message.cost ? costNow(message.usage, message.model, message.searched ? 1 : 0) : message.cost;
    return cost && text(cost.amount, cost.currency);
}
