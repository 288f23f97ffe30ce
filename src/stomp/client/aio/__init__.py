"""`stomp.AsyncClient`, the asyncio client."""
