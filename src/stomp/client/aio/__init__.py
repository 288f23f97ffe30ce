"""`stomp.AsyncClient`, for asyncio."""
