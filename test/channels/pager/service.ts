// How the channel asks the paging service.

export async function ask(apiRoot: string, path: string, body: object, token: string): Promise<unknown> {
  const response = await fetch(`${apiRoot}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`The paging service answered ${response.status}.`);
  return await response.json();
}
