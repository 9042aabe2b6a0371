// The page's one socket.

import { createSocketClient } from "./socket";

const { protocol, host } = location;
export const client = createSocketClient({
  url: `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`,
});
