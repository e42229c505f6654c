WITH strikes AS (
    SELECT c.state AS state, count(*) AS claims, sum(c.cost) AS cost
    FROM claims AS c
    WHERE c.flight_date >= $start AND c.flight_date < $stop
    GROUP BY c.state
), departures AS (
    SELECT a.state AS state, count(*) AS flights
    FROM flights AS f JOIN airports AS a ON f.origin = a.iata
    WHERE f.date >= $start AND f.date < $stop
    GROUP BY a.state
)
SELECT s.state AS state, s.claims AS claims, s.cost AS cost, d.flights AS departures,
       CAST(round(s.claims * 100000 / d.flights, 2) AS DECIMAL(12,2)) AS claims_per_100000_departures
FROM strikes AS s JOIN departures AS d ON s.state = d.state
ORDER BY claims_per_100000_departures DESC, state
