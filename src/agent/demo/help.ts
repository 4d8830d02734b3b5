// What the demo model says about itself.

export function introduction(): string {
  return (
    '_I am the **demo model**: a few rules, no intelligence. Everything around me is real — the agent, its tools, ' +
    'its files and its memory. Set `ANTHROPIC_API_KEY` to talk to Claude._'
  );
}

export function helpText(): string {
  return `The demo model understands:

| say | what happens |
| --- | --- |
| \`run: ls -la\` or \`$ ls -la\` | runs a command in the working directory |
| \`write notes.md: some text\` | writes a file |
| \`read notes.md\` | reads it |
| \`send notes.md\` | sends it to you |
| \`remember the sky is blue\` | keeps it in the conversation |
| \`what do you remember?\` | tells what you asked it to keep, and what you said last |
| \`todo: buy milk, call Ann\` | makes tasks; \`todos\` lists them |
| \`ask the reviewer to run: ls\` | sends a subagent |
| \`use the skill word-count on notes.md\` | loads a skill |
| \`roll 2d6\` | calls the dice tool |
| \`count to 50\` or \`slowly: some text\` | answers slowly, so that you can stop it |`;
}
