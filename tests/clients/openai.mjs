// SPDX-License-Identifier: Apache-2.0
// One streamed chat completion and one response, by the OpenAI SDK. BASE: the service.
import OpenAI from 'openai';

const client = new OpenAI({ apiKey: 'sk-fake', baseURL: `${process.env.BASE}/v1`, maxRetries: 0 });
const stream = await client.chat.completions.create({
	model: 'sdk-chat', stream: true, stream_options: { include_usage: true },
	messages: [{ role: 'user', content: 'Say hello.' }],
});
let text = '';
for await (const part of stream) text += part.choices[0]?.delta?.content || '';
const response = await client.responses.create({ model: 'sdk-responses', input: 'Say hello.' });
console.log(text, response.output_text);
