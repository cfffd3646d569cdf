// SPDX-License-Identifier: Apache-2.0
// One message and one streamed message, by the Anthropic SDK. BASE: the service.
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ apiKey: 'sk-fake', baseURL: process.env.BASE, maxRetries: 0 });
const ask = { max_tokens: 64, messages: [{ role: 'user', content: 'Say hello.' }] };
const message = await client.messages.create({ model: 'sdk-message', ...ask });
const streamed = await client.messages.stream({ model: 'sdk-stream', ...ask }).finalMessage();
console.log(message.content[0].text, streamed.content[0].text);
