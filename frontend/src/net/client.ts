// The page's one socket.

import { fetchRun } from "./api";
import { socketAddress } from "../base/address";
import { createSocketClient } from "./socket";

export const client = createSocketClient({ url: socketAddress("/ws"), fetch: fetchRun });
