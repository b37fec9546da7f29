"""The word tables of the demo's synthetic corpus, one word a line; `demo.lexicon` reads them."""

# English, plural, gender, German, plural, pronoun, tags
PERSONS = """
teacher teachers m Lehrer Lehrer he
doctor doctors m Arzt Ärzte he
king kings m König Könige he
queen queens f Königin Königinnen she
woman women f Frau Frauen she
man men m Mann Männer he
child children n Kind Kinder -
girl girls n Mädchen Mädchen -
boy boys m Junge Jungen he weak
neighbor neighbors m Nachbar Nachbarn he weak
student students m Student Studenten he weak
farmer farmers m Bauer Bauern he weak
daughter daughters f Tochter Töchter she family
sister sisters f Schwester Schwestern she family
mother mothers f Mutter Mütter she family
uncle uncles m Onkel Onkel he family
brother brothers m Bruder Brüder he family
son sons m Sohn Söhne he family
friend friends m Freund Freunde he family
guest guests m Gast Gäste he
"""
THINGS = """
chair chairs m Stuhl Stühle it goods,stands,surface
lamp lamps f Lampe Lampen it goods,stands,switch
radio radios n Radio Radios it goods,stands,switch
bottle bottles f Flasche Flaschen it goods,stands,opens
cup cups f Tasse Tassen it goods,stands
glass glasses n Glas Gläser it goods,stands
clock clocks f Uhr Uhren it goods,stands
book books n Buch Bücher it goods,lies
letter letters m Brief Briefe it goods,lies,opens
newspaper newspapers f Zeitung Zeitungen it goods,lies
key keys m Schlüssel Schlüssel it goods,lies
knife knives n Messer Messer it goods,lies
coat coats m Mantel Mäntel it goods,lies
hat hats m Hut Hüte it goods,lies
shirt shirts n Hemd Hemden it goods,lies
picture pictures n Bild Bilder it goods
flower flowers f Blume Blumen it goods
apple apples m Apfel Äpfel it goods,food
cake cakes m Kuchen Kuchen it goods,food
egg eggs n Ei Eier it goods,food
table tables m Tisch Tische it furniture,surface
bench benches f Bank Bänke it furniture,surface
bed beds n Bett Betten it furniture,surface
bicycle bicycles n Fahrrad Fahrräder it vehicle
car cars n Auto Autos it vehicle,opens
ship ships n Schiff Schiffe it vehicle,departs
train trains m Zug Züge it departs
bus buses m Bus Busse it departs
dog dogs m Hund Hunde it animal
cat cats f Katze Katzen it animal
horse horses n Pferd Pferde it animal
house houses n Haus Häuser it building,inside,room
school schools f Schule Schulen it building,inside,room
garden gardens m Garten Gärten it building,inside,room
kitchen kitchens f Küche Küchen it building,inside,room
village villages n Dorf Dörfer it town,inside
city cities f Stadt Städte it town,inside
bridge bridges f Brücke Brücken it building
door doors f Tür Türen it opens
window windows n Fenster Fenster it opens
"""
THING_ADJECTIVES = """
old alt
new neu
small klein
big groß
red rot
green grün
black schwarz
beautiful schön
heavy schwer
cheap billig
expensive teuer teur
dark dunkel dunkl
"""
PERSON_ADJECTIVES = """
old alt
young jung
small klein
big groß
beautiful schön
strong stark
poor arm
rich reich
sick krank
friendly freundlich
famous berühmt
tired müde müd
"""
# English forms | particle (+ where a pronoun splits it) | prefix, infinitive, third person, participle (* with sein)
# | case or preposition and case | tags of the objects | irregular German forms
VERBS = """
buy buys bought | - | - kaufen kauft gekauft | acc | goods,vehicle,furniture,animal
sell sells sold | - | - verkaufen verkauft verkauft | acc | goods,vehicle,furniture,animal
find finds found | - | - finden findet gefunden | acc | goods,animal,vehicle
lose loses lost | - | - verlieren verliert verloren | acc | goods
forget forgets forgot | - | - vergessen vergisst vergessen | acc | goods
need needs needed | - | - brauchen braucht gebraucht | acc | goods,vehicle,furniture,animal
carry carries carried | - | - tragen trägt getragen | acc | goods
steal steals stole | - | - stehlen stiehlt gestohlen | acc | goods,vehicle,animal
repair repairs repaired | - | - reparieren repariert repariert | acc | vehicle,furniture,stands
eat eats ate | - | - essen isst gegessen | acc | food
see sees saw | - | - sehen sieht gesehen | acc | goods,vehicle,animal,building,town,person
look looks looked | for | - suchen sucht gesucht | acc | goods,vehicle,animal,building,person
paint paints painted | - | - malen malt gemalt | acc | goods,animal,building,town,person
visit visits visited | - | - besuchen besucht besucht | acc | person,town,building
call calls called | - | an rufen ruft gerufen | acc | person
invite invites invited | - | ein laden lädt geladen | acc | person
pick picks picked | +up | ab holen holt geholt | acc | person
bring brings brought | +along | mit bringen bringt gebracht | acc | goods,animal
throw throws threw | +away | weg werfen wirft geworfen | acc | goods
open opens opened | - | auf machen macht gemacht | acc | opens
close closes closed | - | zu machen macht gemacht | acc | opens
turn turns turned | +on | ein schalten schaltet geschaltet | acc | switch
turn turns turned | +off | aus schalten schaltet geschaltet | acc | switch
help helps helped | - | - helfen hilft geholfen | dat | person
thank thanks thanked | - | - danken dankt gedankt | dat | person
follow follows followed | - | - folgen folgt gefolgt* | dat | person,animal
listen listens listened | to | zu hören hört gehört | dat | person
answer answers answered | - | - antworten antwortet geantwortet | dat | person
wait waits waited | for | - warten wartet gewartet | auf acc | person,departs
think thinks thought | of | - denken denkt gedacht | an acc | person,goods,town
laugh laughs laughed | at | - lachen lacht gelacht | über acc | person,animal
talk talks talked | to | - sprechen spricht gesprochen | mit dat | person
"""
GIVING = """
give gives gave | - | - geben gibt gegeben | acc | goods,animal
show shows showed | - | - zeigen zeigt gezeigt | acc | goods,vehicle,building,animal
send sends sent | - | - schicken schickt geschickt | acc | goods
lend lends lent | - | - leihen leiht geliehen | acc | goods,vehicle
return returns returned | - | zurück geben gibt gegeben | acc | goods
"""
ACTIVITIES = """
sleep sleeps slept | - | - schlafen schläft geschlafen | acc | -
work works worked | - | - arbeiten arbeitet gearbeitet | acc | -
sing sings sang | - | - singen singt gesungen | acc | -
dance dances danced | - | - tanzen tanzt getanzt | acc | -
swim swims swam | - | - schwimmen schwimmt geschwommen* | acc | -
get gets got | up | auf stehen steht gestanden* | acc | -
come comes came | back | zurück kommen kommt gekommen* | acc | -
fall falls fell | asleep | ein schlafen schläft geschlafen* | acc | -
arrive arrives arrived | - | an kommen kommt gekommen* | acc | -
"""
SPEAKING = """
say says said | - | - sagen sagt gesagt | acc | -
hear hears heard | - | - hören hört gehört | acc | -
"""
TRYING = """
try tries tried | - | - versuchen versucht versucht | acc | -
forget forgets forgot | - | - vergessen vergisst vergessen | acc | -
start starts started | - | an fangen fängt gefangen | acc | -
"""
# One English verb, several German ones: what stands beside it decides.
SENSES = """
be is was | - | - stehen steht gestanden | acc | - | preterite=stand
be is was | - | - liegen liegt gelegen | acc | - | preterite=lag
know knows knew | - | - wissen weiß gewusst | acc | - | first=weiß preterite=wusste
know knows knew | - | - kennen kennt gekannt | acc | person,town,building | preterite=kannte
put puts put | - | - stellen stellt gestellt | acc | stands
put puts put | - | - legen legt gelegt | acc | lies
leave leaves left | - | ab fahren fährt gefahren* | acc | -
leave leaves left | - | - verlassen verlässt verlassen | acc | building,town
go goes went | - | - gehen geht gegangen* | acc | -
go goes went | - | - fahren fährt gefahren* | acc | -
live lives lived | - | - wohnen wohnt gewohnt | acc | -
live lives lived | - | - leben lebt gelebt | acc | -
spend spends spent | - | aus geben gibt gegeben | acc | -
spend spends spent | - | - verbringen verbringt verbracht | acc | -
ask asks asked | - | - fragen fragt gefragt | acc | person
ask asks asked | - | - bitten bittet gebeten | acc | person
think thinks thought | - | - glauben glaubt geglaubt | acc | -
"""
OTHERS = """
be is was | - | - sein ist gewesen* | acc | - | first=bin plural=sind preterite=war
have has had | - | - haben hat gehabt | acc | goods,animal,vehicle | preterite=hatte
like likes liked | - | - gefallen gefällt gefallen | dat | goods,building,town,vehicle,animal
travel travels traveled | - | - reisen reist gereist* | acc | -
come comes came | - | - kommen kommt gekommen* | acc | -
pay pays paid | - | - bezahlen bezahlt bezahlt | acc | -
cost costs cost | - | - kosten kostet gekostet | acc | -
weigh weighs weighed | - | - wiegen wiegt gewogen | acc | -
belong belongs belonged | to | - gehören gehört gehört | dat | person
"""
# English auxiliary | base, third person, past | German first and third person, plural | tense | German when negated
MODALS = """
can | | kann kann können | future
must | | muss muss müssen | future | darf dürfen
may | | darf darf dürfen | future
should | | sollte sollte sollten | future
will | | werde wird werden | future
would | like to | möchte möchte möchten | future
| want to, wants to | will will wollen | future
| have to, has to | muss muss müssen | future
could | | konnte konnte konnten | past
| want to, , wanted to | wollte wollte wollten | past
| have to, , had to | musste musste mussten | past
"""
