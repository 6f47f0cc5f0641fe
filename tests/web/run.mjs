/* run.mjs OPEN LOCKED KEY [NAME] - all checks, or those whose names contain NAME. */
import { begin, end } from './browser.mjs';
import { checkChats } from './chats.mjs';
import { checkHistory } from './history.mjs';
import { checkText } from './rendering.mjs';
import { checkUse } from './use.mjs';

await begin();
for (const part of [checkChats, checkHistory, checkText, checkUse]) await part();
process.exitCode = (await end()) > 0 ? 1 : 0;
